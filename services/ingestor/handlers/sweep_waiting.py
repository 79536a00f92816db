"""Sweeps what waits for the ingestor: overdue results, storing, deadlines, removals."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from adapters.clock import fresh_commit_id, now
from adapters.event_log import sequence_of
from adapters.sweep import Pace, Sweep
from contracts.commit import Commit
from contracts.events import ArtifactsRemoved, ResultReceived
from contracts.subjects import evidence_subject
from domain.provider_results import Failure
from domain.turns import Turn
from read_models import jobs, owed, waiting_jobs
from read_models.owed import Duty, Owed
from read_models.unit_of_work import micros_of
from read_models.waiting_jobs import WaitingJob, Waits
from services.ingestor.dependencies import Ingestor
from services.ingestor.media import removable
from services.ingestor.settling import fail, look, settle

STORING_RETRY_SECONDS = 5.0
STORING_SECONDS_MAX = 6 * 3600.0

STORING = Pace(
    at_once=32, at_once_of_lane=8, act_seconds=80.0, pause_seconds=5.0, pause_seconds_max=120.0
)
DEADLINES = Pace(
    at_once=64, at_once_of_lane=32, act_seconds=30.0, pause_seconds=2.0, pause_seconds_max=60.0
)
REMOVALS = Pace(
    at_once=16, at_once_of_lane=8, act_seconds=60.0, pause_seconds=5.0, pause_seconds_max=300.0
)

Act = Callable[[WaitingJob], Awaitable[None]]


def sweeps(ingestor: Ingestor) -> dict[str, Sweep[WaitingJob] | Sweep[Owed]]:
    """Return the ingestor's sweeps by name. None of them waits for another."""
    return {
        "results": results(ingestor),
        "storing": storing(ingestor),
        "deadlines": deadlines(ingestor),
        "removals": removals(ingestor),
    }


def results(ingestor: Ingestor) -> Sweep[WaitingJob]:
    """Asks the provider about results that are overdue, politely: the pauses grow."""
    settings = ingestor.settings
    pause = min(settings.reconcile_every_seconds, settings.look_after_seconds)
    pace = Pace(
        at_once=32,
        at_once_of_lane=32,
        act_seconds=60.0,
        pause_seconds=pause,
        pause_seconds_max=4 * pause,
    )
    return _sweep(
        ingestor, Waits.RESULT, settings.look_after_seconds, pace, lambda row: look(ingestor, row)
    )


def storing(ingestor: Ingestor) -> Sweep[WaitingJob]:
    return _sweep(
        ingestor,
        Waits.STORING,
        STORING_RETRY_SECONDS,
        STORING,
        lambda row: store_again(ingestor, row),
    )


def deadlines(ingestor: Ingestor) -> Sweep[WaitingJob]:
    async def take(turn: Turn) -> list[WaitingJob]:
        turn.until = micros_of(now())
        rows = await ingestor.rows.take(turn, waiting_jobs.past_deadline)
        return [row for row in rows if ingestor.peers.is_mine(row.job_id)]

    return Sweep(
        "deadlines",
        DEADLINES,
        take,
        lambda row: fail_late(ingestor, row),
        key_of=lambda row: row.job_id,
        lane_of=lambda row: row.account_id,
    )


def removals(ingestor: Ingestor) -> Sweep[Owed]:
    async def take(turn: Turn) -> list[Owed]:
        turn.until = micros_of(now())
        rows = await ingestor.rows.take(
            turn, lambda connection, turn: owed.due(connection, Duty.REMOVAL, turn)
        )
        return [row for row in rows if ingestor.peers.is_mine(row.job_id)]

    return Sweep(
        "removals",
        REMOVALS,
        take,
        lambda row: remove(ingestor, row),
        key_of=lambda row: row.key,
        lane_of=lambda row: row.account_id,
    )


def _sweep(
    ingestor: Ingestor, waits: Waits, patience_seconds: float, pace: Pace, act: Act
) -> Sweep[WaitingJob]:
    async def take(turn: Turn) -> list[WaitingJob]:
        turn.until = micros_of(now() - timedelta(seconds=patience_seconds))
        rows = await ingestor.rows.take(
            turn, lambda connection, turn: waiting_jobs.due(connection, waits, turn)
        )
        return [row for row in rows if ingestor.peers.is_mine(row.job_id)]

    return Sweep(
        waits.value,
        pace,
        take,
        act,
        key_of=lambda row: row.job_id,
        lane_of=lambda row: row.account_id,
    )


async def store_again(ingestor: Ingestor, row: WaitingJob) -> None:
    recorded = await ingestor.log.read(row.result_in or 0)
    known = await ingestor.jobs.load(row.job_id)
    if recorded is None or known is None:
        return
    if micros_of(now()) - row.waits_from > STORING_SECONDS_MAX * 1_000_000:
        await fail(ingestor, known, Failure("storage_deadline", "the result was never stored"))
        return
    for event in recorded.commit.events:
        if isinstance(event, ResultReceived):
            await settle(ingestor, event, recorded.commit.id)


async def fail_late(ingestor: Ingestor, row: WaitingJob) -> None:
    known = await ingestor.jobs.load(row.job_id, row.requested_in)
    if known is not None:
        await fail(ingestor, known, Failure("deadline", ""))


async def remove(ingestor: Ingestor, row: Owed) -> None:
    """Remove a deleted job's artifacts, and record that they are gone."""
    job = await ingestor.database.read(lambda connection: jobs.find(connection, row.job_id))
    keys = await removable(ingestor, job) if job is not None else ()
    for key in keys:
        await ingestor.storage.delete(key)
    event = ArtifactsRemoved(job_id=row.job_id, account_id=row.account_id, keys=keys)
    commit = Commit(id=fresh_commit_id(), at=now(), events=(event,))
    sequence_of(await ingestor.log.append(evidence_subject("removal"), commit, after=None))
