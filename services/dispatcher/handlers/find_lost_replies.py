"""Asks the provider's listing what became of attempts whose reply was lost."""

from datetime import timedelta
from functools import partial

import msgspec
import structlog

from adapters.vault import Unreadable
from application.clock import now
from application.recording import record
from contracts.events import SubmissionStarted
from contracts.events.evidence import LearntFrom
from contracts.ids import JobId
from contracts.sealed import Sealed
from domain.lost_replies import CLOCKS_APART_MAX, UnansweredAttempt, match_lost_replies
from domain.retry import ask_after_seconds, ask_every_seconds
from domain.times import micros_of, time_of
from domain.turns import Turn
from domain.waiting import WaitReason
from read_models import job_commits, owed, provider_requests, waiting_jobs
from read_models.waiting_jobs import WaitingJob
from services.dispatcher.dependencies import Dispatcher
from services.dispatcher.posting import submitted

logger = structlog.get_logger()

ATTEMPTS_MAX = 2000  # With more, not all of them are read, and alike ones might be overlooked.


def patience_of(dispatcher: Dispatcher) -> float:
    """Return how many seconds an attempt waits before the listing is asked."""
    return ask_after_seconds(dispatcher.settings.submit_unknown_seconds)


def pause_of(dispatcher: Dispatcher) -> float:
    """Return the seconds between two requests for the listing, which spare the provider."""
    return ask_every_seconds(dispatcher.settings.submit_unknown_seconds)


async def find_lost_replies(dispatcher: Dispatcher) -> None:
    """Ask for the listing once, if an attempt waits for a reply. An attempt that the listing does
    not name may be there all the same, and goes on waiting.
    """
    if not dispatcher.peers.is_mine("listing"):
        return
    until = now() - timedelta(seconds=patience_of(dispatcher))
    turn = Turn(until=micros_of(until), limit=ATTEMPTS_MAX)
    old = await dispatcher.rows.take(
        partial(waiting_jobs.due, wait_reason=WaitReason.OUTCOME), turn
    )
    for endpoint in sorted({row.endpoint for row in old if row.endpoint is not None}):
        await _ask(dispatcher, endpoint, [row for row in old if row.endpoint == endpoint])


async def _ask(dispatcher: Dispatcher, endpoint: str, old: list[WaitingJob]) -> None:
    since = time_of(min(row.waiting_since for row in old)) - CLOCKS_APART_MAX
    listed = await dispatcher.gateway.list_requests(endpoint, since)
    if not listed:
        return
    # All unanswered attempts are read, and after the listing: attempts of ended jobs, attempts that
    # were given up and brand-new ones may have sent the same.
    ids = [each.request_id for each in listed]
    rows, ended, lost, owned = await dispatcher.rows.read(
        lambda connection: (
            waiting_jobs.unanswered(connection, endpoint, micros_of(since), ATTEMPTS_MAX),
            owed.unanswered(connection, endpoint, micros_of(since), ATTEMPTS_MAX),
            provider_requests.lost(connection, micros_of(since), ATTEMPTS_MAX),
            provider_requests.owned(connection, ids),
        )
    )
    if max(len(rows), len(ended), len(lost)) >= ATTEMPTS_MAX:
        return
    attempts = [*((row.job_id, row.attempt) for row in rows), *ended, *lost]
    sent = [each for one in attempts if (each := await _sent(dispatcher, *one, endpoint))]
    unowned = [each for each in listed if each.request_id not in owned]
    proven = match_lost_replies([unanswered for _, unanswered in sent], unowned)
    waiting = {(row.job_id, row.attempt) for row in old}
    for event, unanswered in sent:
        if (event.job_id, event.attempt) in waiting and unanswered.attempt in proven:
            await _record(dispatcher, event, proven[unanswered.attempt])


async def _sent(
    dispatcher: Dispatcher, job: JobId, attempt: int, endpoint: str
) -> tuple[SubmissionStarted, UnansweredAttempt] | None:
    """Return an attempt and what it sent, also where later commits have ended the job. None when
    what it sent can no longer be read: then it cannot be matched.
    """
    sequences = await dispatcher.database.read(job_commits.sequences, job)
    arguments: Sealed | None = None
    for sequence in sequences:
        recorded = await dispatcher.log.read(sequence)
        event = recorded.commit.events[0] if recorded is not None else None
        if recorded is None or not isinstance(event, SubmissionStarted):
            continue
        arguments = event.arguments or arguments
        if event.attempt == attempt and event.endpoint == endpoint and arguments is not None:
            try:
                plain = await dispatcher.vault.unseal(event.account_id, arguments)
            except Unreadable:
                return None
            what = msgspec.json.decode(plain)
            return event, UnansweredAttempt(f"{job}/{attempt}", what, recorded.commit.at)
    return None


async def _record(dispatcher: Dispatcher, event: SubmissionStarted, request_id: str) -> None:
    request = dispatcher.gateway.request_of(event.endpoint, request_id)
    await record(dispatcher.log, submitted(event, request, LearntFrom.LISTING))
    logger.info("lost_reply_found", job=event.job_id, request_id=request_id)
