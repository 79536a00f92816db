"""Sweeps what waits for the ingestor: overdue results, storing, deadlines, removals."""

from functools import partial

from adapters.sweep import Pace, Sweep
from application.clock import now
from application.recording import record
from contracts.events import ArtifactsRemoved, ResultReceived
from domain.artifacts import LATER_TRY_SECONDS_MAX, is_too_late
from domain.owed import Duty
from domain.provider_results import Failure
from domain.times import micros_of
from domain.waiting import WaitReason
from read_models import jobs, owed, waiting_jobs
from read_models.owed import Owed
from read_models.waiting_jobs import WaitingJob
from services.ingestor.dependencies import Ingestor
from services.ingestor.handlers.poll_results import poll_result
from services.ingestor.handlers.settle_results import fail, settle
from services.ingestor.settings import IngestorSettings

STORING = Pace(
    at_once=32,
    at_once_of_lane=8,
    act_seconds=LATER_TRY_SECONDS_MAX + 20,
    pause_seconds=5.0,
    pause_seconds_max=120.0,
    patience_seconds=5.0,  # The message of the result is handled first.
)
DEADLINES = Pace(
    at_once=64, at_once_of_lane=32, act_seconds=30.0, pause_seconds=2.0, pause_seconds_max=60.0
)
REMOVALS = Pace(
    at_once=16, at_once_of_lane=8, act_seconds=60.0, pause_seconds=5.0, pause_seconds_max=300.0
)


def sweeps(ingestor: Ingestor) -> dict[str, Sweep[WaitingJob] | Sweep[Owed]]:
    """Return the ingestor's sweeps by name. None of them waits for another."""
    rows, pace_of_results = ingestor.rows, _pace_of_results(ingestor.settings)
    result = partial(waiting_jobs.due, wait_reason=WaitReason.RESULT)
    to_store = partial(waiting_jobs.due, wait_reason=WaitReason.STORING)
    late, removal = waiting_jobs.past_deadline, partial(owed.due, duty=Duty.REMOVAL)
    return {
        "results": rows.sweep("results", pace_of_results, result, partial(poll_result, ingestor)),
        "storing": rows.sweep("storing", STORING, to_store, partial(store_again, ingestor)),
        "deadlines": rows.sweep("deadlines", DEADLINES, late, partial(fail_late, ingestor)),
        "removals": rows.sweep("removals", REMOVALS, removal, partial(remove, ingestor)),
    }


def _pace_of_results(settings: IngestorSettings) -> Pace:
    """Ask the provider about overdue results, with pauses that grow."""
    pause = min(settings.reconcile_every_seconds, settings.look_after_seconds)
    return Pace(
        at_once=32,
        at_once_of_lane=32,
        act_seconds=60.0,
        pause_seconds=pause,
        pause_seconds_max=4 * pause,
        patience_seconds=settings.look_after_seconds,
    )


async def store_again(ingestor: Ingestor, row: WaitingJob) -> None:
    recorded = await ingestor.log.read(row.result_sequence or 0)
    loaded = await ingestor.jobs.load(row.job_id)
    if recorded is None or loaded is None:
        return
    if is_too_late(row.waiting_since, micros_of(now())):
        await fail(ingestor, loaded, Failure("storage_deadline", "the result was never stored"))
        return
    for event in recorded.commit.events:
        if isinstance(event, ResultReceived):
            await settle(ingestor, event, recorded.commit.id, LATER_TRY_SECONDS_MAX)


async def fail_late(ingestor: Ingestor, row: WaitingJob) -> None:
    loaded = await ingestor.jobs.load(row.job_id, row.requested_sequence)
    if loaded is not None:
        await fail(ingestor, loaded, Failure("deadline"))


async def remove(ingestor: Ingestor, row: Owed) -> None:
    """Remove a deleted job's artifacts, and record that they are gone."""
    job = await ingestor.database.read(jobs.find, row.job_id)
    artifacts = job.artifacts if job is not None else ()
    keys = tuple(each.key for each in artifacts if each.key is not None)
    for key in keys:
        await ingestor.storage.delete(key)
    event = ArtifactsRemoved(job_id=row.job_id, account_id=row.account_id, keys=keys)
    await record(ingestor.log, event)
