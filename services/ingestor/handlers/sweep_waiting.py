"""Sweeps what waits for the ingestor: overdue results, storing, deadlines, removals."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

import structlog

from adapters.clock import fresh_commit_id, now
from adapters.database import DatabaseUnavailable
from adapters.event_log import LogUnavailable, sequence_of
from contracts.commit import Commit
from contracts.events import ArtifactsRemoved, ResultReceived
from contracts.subjects import evidence_subject
from domain.provider_results import Failure
from read_models import jobs, waiting_jobs
from read_models.unit_of_work import micros_of
from read_models.waiting_jobs import WaitingJob, Waits
from services.ingestor.dependencies import Ingestor
from services.ingestor.settling import fail, look, settle

logger = structlog.get_logger()

SWEEP_SECONDS = 1.0
ROWS_A_SWEEP = 1000
AT_ONCE_MAX = 16
ACT_SECONDS_MAX = 80.0  # One act that hangs must not end all sweeping.
STORING_RETRY_SECONDS = 5.0
STORING_SECONDS_MAX = 6 * 3600.0

Act = Callable[[Ingestor, WaitingJob], Awaitable[None]]


async def sweep_waiting(ingestor: Ingestor) -> None:
    """Sweep for ever. Rows may be stale: each act goes through its job's guard."""
    while True:
        try:
            await sweep_once(ingestor, now())
        except (DatabaseUnavailable, LogUnavailable) as error:
            logger.warning("sweep_waits", reason=repr(error))
        await asyncio.sleep(SWEEP_SECONDS)


async def sweep_once(ingestor: Ingestor, at: datetime) -> None:
    patience = ingestor.settings.look_after_seconds
    await _sweep(ingestor, Waits.RESULT, at, patience, look)
    await _sweep(ingestor, Waits.STORING, at, STORING_RETRY_SECONDS, _store_again)
    await _sweep(ingestor, Waits.REMOVAL, at, 0.0, _remove)
    late = await ingestor.database.read(
        lambda connection: waiting_jobs.past_deadline(connection, micros_of(at), ROWS_A_SWEEP)
    )
    await _act_on_all(ingestor, late, _fail_late)


async def _sweep(
    ingestor: Ingestor, waits: Waits, at: datetime, patience_seconds: float, act: Act
) -> None:
    until = micros_of(at) - int(patience_seconds * 1_000_000)
    rows = await ingestor.database.read(
        lambda connection: waiting_jobs.due(connection, waits, until, ROWS_A_SWEEP)
    )
    await _act_on_all(ingestor, _not_looked_at(ingestor, rows), act)


def _not_looked_at(ingestor: Ingestor, rows: list[WaitingJob]) -> list[WaitingJob]:
    """Leave out what was looked at within the interval: the provider is asked politely."""
    clock = asyncio.get_running_loop().time()
    pause = min(ingestor.settings.reconcile_every_seconds, ingestor.settings.look_after_seconds)
    known = ingestor.looked_at
    ingestor.looked_at = {job: at for job, at in known.items() if clock - at < pause}
    chosen = [row for row in rows if row.job_id not in ingestor.looked_at]
    ingestor.looked_at |= {row.job_id: clock for row in chosen}
    return chosen


async def _act_on_all(ingestor: Ingestor, rows: list[WaitingJob], act: Act) -> None:
    for start in range(0, len(rows), AT_ONCE_MAX):
        chunk = rows[start : start + AT_ONCE_MAX]
        results = await asyncio.gather(
            *(_bounded(act, ingestor, row) for row in chunk), return_exceptions=True
        )
        for row, result in zip(chunk, results, strict=True):
            if isinstance(result, Exception):
                logger.warning("sweep_failed", job=row.job_id, reason=repr(result))


async def _bounded(act: Act, ingestor: Ingestor, row: WaitingJob) -> None:
    async with asyncio.timeout(ACT_SECONDS_MAX):
        await act(ingestor, row)


async def _store_again(ingestor: Ingestor, row: WaitingJob) -> None:
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


async def _fail_late(ingestor: Ingestor, row: WaitingJob) -> None:
    known = await ingestor.jobs.load(row.job_id, row.requested_in)
    if known is not None:
        await fail(ingestor, known, Failure("deadline", ""))


async def _remove(ingestor: Ingestor, row: WaitingJob) -> None:
    """Remove a deleted job's artifacts, and record that they are gone."""
    job = await ingestor.database.read(lambda connection: jobs.find(connection, row.job_id))
    keys = tuple(each.key for each in job.artifacts if each.key) if job is not None else ()
    for key in keys:
        await ingestor.storage.delete(key)
    event = ArtifactsRemoved(job_id=row.job_id, account_id=row.account_id, keys=keys)
    commit = Commit(id=fresh_commit_id(), at=now(), events=(event,))
    sequence_of(await ingestor.log.append(evidence_subject("removal"), commit, after=None))
