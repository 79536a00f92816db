"""Sweeps what waits for the dispatcher: submissions, unknown outcomes, cancellations."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

import structlog

from adapters import fal
from adapters.clock import fresh_commit_id, now
from adapters.database import DatabaseUnavailable
from adapters.event_log import LogUnavailable, sequence_of
from contracts.commit import Commit
from contracts.events import CancellationAnswered, JobRequested, RunStepStarted
from contracts.subjects import evidence_subject
from domain.job import GiveUpAttempt
from domain.refusals import JOB_CODES
from domain.retry import after_unknown
from read_models import waiting_jobs
from read_models.unit_of_work import micros_of
from read_models.waiting_jobs import WaitingJob, Waits
from services.dispatcher.dependencies import Dispatcher
from services.dispatcher.submitting import Work, fail, submit

logger = structlog.get_logger()

SWEEP_SECONDS = 1.0
ROWS_A_SWEEP = 64
ACT_SECONDS_MAX = 80.0  # One act that hangs must not end all sweeping.
LOST_WAKE_UP_SECONDS = 2.0  # A job that nobody took up for so long was missed by the fast path.

Act = Callable[[Dispatcher, WaitingJob], Awaitable[None]]


async def sweep_waiting(dispatcher: Dispatcher) -> None:
    """Sweep for ever. Rows may be stale: each act goes through its job's guard."""
    while True:
        try:
            await sweep_once(dispatcher, now())
        except (DatabaseUnavailable, LogUnavailable) as error:
            logger.warning("sweep_waits", reason=repr(error))
        await asyncio.sleep(SWEEP_SECONDS)


async def sweep_once(dispatcher: Dispatcher, at: datetime) -> None:
    dispatcher.at_provider = await dispatcher.database.read(waiting_jobs.count_at_provider)
    unknown_seconds = dispatcher.settings.submit_unknown_seconds
    await _sweep(dispatcher, Waits.OUTCOME, at, unknown_seconds, _settle_unknown)
    await _sweep(dispatcher, Waits.CANCELLATION, at, 0.0, _cancel)
    await _sweep(dispatcher, Waits.TO_SUBMIT, at, 0.0, _submit)


async def _sweep(
    dispatcher: Dispatcher, waits: Waits, at: datetime, patience_seconds: float, act: Act
) -> None:
    until = micros_of(at) - int(patience_seconds * 1_000_000)
    rows = await dispatcher.database.read(
        lambda connection: waiting_jobs.due(connection, waits, until, ROWS_A_SWEEP)
    )
    mine = [row for row in rows if not _is_fresh(row, at) and row.job_id not in dispatcher.active]
    if waits is Waits.TO_SUBMIT:
        mine = mine[: max(dispatcher.room, 0)]
    results = await asyncio.gather(
        *(_bounded(act, dispatcher, row) for row in mine),
        return_exceptions=True,
    )
    for row, result in zip(mine, results, strict=True):
        if isinstance(result, Exception):
            logger.warning("sweep_failed", job=row.job_id, waits=waits, reason=repr(result))


async def _bounded(act: Act, dispatcher: Dispatcher, row: WaitingJob) -> None:
    async with asyncio.timeout(ACT_SECONDS_MAX):
        await act(dispatcher, row)


def _is_fresh(row: WaitingJob, at: datetime) -> bool:
    is_first = row.waits is Waits.TO_SUBMIT and row.attempt == 0
    return is_first and micros_of(at) - row.waits_from < LOST_WAKE_UP_SECONDS * 1_000_000


async def _submit(dispatcher: Dispatcher, row: WaitingJob) -> None:
    recorded = await dispatcher.log.read(row.requested_in)
    known = await dispatcher.jobs.load(row.job_id, row.requested_in)
    if recorded is None or known is None:
        return
    for event in recorded.commit.events:
        if isinstance(event, JobRequested) and event.job_id == row.job_id:
            work = Work(event.kind, event.input, causation=recorded.commit.id)
            if event.run_id is not None:
                work = await _work_of_run(dispatcher, row, work)
            await submit(dispatcher, known, work)


async def _work_of_run(dispatcher: Dispatcher, row: WaitingJob, work: Work) -> Work:
    """A run's job was let go by its run, which gave it its input."""
    recorded = await dispatcher.log.read(row.started_in or 0)
    for event in recorded.commit.events if recorded is not None else ():
        if isinstance(event, RunStepStarted) and event.job_id == row.job_id:
            return Work(work.kind, event.input, event.deadline_at, work.causation)
    msg = f"job {row.job_id} was not let go in commit {row.started_in}"
    raise LogUnavailable(msg)


async def _settle_unknown(dispatcher: Dispatcher, row: WaitingJob) -> None:
    """Nobody could tell for so long what became of the POST: policy decides what comes next."""
    known = await dispatcher.jobs.load(row.job_id, row.requested_in)
    if known is None or known.state.end is not None or len(known.state.attempts) != row.attempt:
        return
    decision = after_unknown(
        known.state, at=now(), attempts_max=dispatcher.settings.submit_attempts_max
    )
    if decision.not_before is None:
        await fail(dispatcher, known, "outcome_unknown", JOB_CODES["outcome_unknown"])
        return
    words = await dispatcher.vault.seal(row.account_id, b"the reply to the POST never came")
    command = GiveUpAttempt(
        attempt=row.attempt,
        code="outcome_unknown",
        error=words,
        may_have_run=True,
        not_before=decision.not_before,
    )
    await dispatcher.jobs.decide(known, command)


async def _cancel(dispatcher: Dispatcher, row: WaitingJob) -> None:
    """Ask the provider to cancel what it has of an ended job, and record what it said."""
    if row.request_id is None:
        return
    found = fal.Accepted(
        row.request_id, row.status_url or "", row.response_url or "", row.cancel_url or ""
    )
    answer = await dispatcher.gateway.cancel(row.endpoint or "", found)
    if answer is None:
        return  # The row stays, and so does the wish.
    event = CancellationAnswered(
        job_id=row.job_id, account_id=row.account_id, request_id=row.request_id, answer=answer
    )
    commit = Commit(id=fresh_commit_id(), at=now(), events=(event,))
    sequence_of(await dispatcher.log.append(evidence_subject("cancellation"), commit, after=None))
