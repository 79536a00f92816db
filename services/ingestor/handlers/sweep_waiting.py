"""Sweeps what waits for the ingestor: overdue results, storing, deadlines, removals."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from sqlalchemy import Connection

from adapters import evidence
from adapters.clock import now
from adapters.sweep import Pace, Sweep, Take
from contracts.events import ArtifactsRemoved, ResultReceived
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
    take = _waiting_for(ingestor, Waits.RESULT, settings.look_after_seconds)
    return _sweep("results", pace, take, lambda row: look(ingestor, row))


def storing(ingestor: Ingestor) -> Sweep[WaitingJob]:
    take = _waiting_for(ingestor, Waits.STORING, STORING_RETRY_SECONDS)
    return _sweep("storing", STORING, take, lambda row: store_again(ingestor, row))


def deadlines(ingestor: Ingestor) -> Sweep[WaitingJob]:
    async def take(turn: Turn) -> list[WaitingJob]:
        return await _part(ingestor, turn, 0.0, waiting_jobs.past_deadline)

    return _sweep("deadlines", DEADLINES, take, lambda row: fail_late(ingestor, row))


def removals(ingestor: Ingestor) -> Sweep[Owed]:
    async def take(turn: Turn) -> list[Owed]:
        turn.until = micros_of(now())
        return await ingestor.rows.take_part(
            ingestor.peers,
            turn,
            lambda connection, turn: owed.due(connection, Duty.REMOVAL, turn),
            lambda row: row.key,
        )

    return Sweep(
        "removals",
        REMOVALS,
        take,
        lambda row: remove(ingestor, row),
        key_of=lambda row: row.key,
        lane_of=lambda row: row.account_id,
    )


def _waiting_for(ingestor: Ingestor, waits: Waits, patience_seconds: float) -> Take[WaitingJob]:
    async def take(turn: Turn) -> list[WaitingJob]:
        return await _part(
            ingestor,
            turn,
            patience_seconds,
            lambda connection, turn: waiting_jobs.due(connection, waits, turn),
        )

    return take


async def _part(
    ingestor: Ingestor,
    turn: Turn,
    patience_seconds: float,
    due: Callable[[Connection, Turn], list[WaitingJob]],
) -> list[WaitingJob]:
    """Return this process's part of what has been due for so long."""
    turn.until = micros_of(now() - timedelta(seconds=patience_seconds))
    return await ingestor.rows.take_part(ingestor.peers, turn, due, lambda row: row.job_id)


def _sweep(name: str, pace: Pace, take: Take[WaitingJob], act: Act) -> Sweep[WaitingJob]:
    return Sweep(
        name, pace, take, act, key_of=lambda row: row.job_id, lane_of=lambda row: row.account_id
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
    await evidence.record(ingestor.log, "removal", event)
