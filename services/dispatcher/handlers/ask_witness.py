"""Asks the provider's listing what became of attempts whose reply was lost."""

import asyncio
from datetime import datetime, timedelta

import msgspec
import structlog

from adapters.clock import fresh_commit_id, now
from adapters.database import DatabaseUnavailable
from adapters.event_log import LogUnavailable, sequence_of
from contracts.commit import Commit
from contracts.events import JobSubmitted, SubmissionStarted
from contracts.events.evidence import LearntFrom
from contracts.subjects import evidence_subject
from domain.witness import CLOCKS_APART_MAX, Seen, Unanswered, owners
from read_models import job_commits, jobs, waiting_jobs
from read_models.unit_of_work import micros_of, time_of
from read_models.waiting_jobs import WaitingJob, Waits
from services.dispatcher.dependencies import Dispatcher

logger = structlog.get_logger()

ASK_AFTER_SECONDS = 45.0  # A POST takes at most 35 s: younger ones may still be answered.
ASK_EVERY_SECONDS = 15.0
ATTEMPTS_MAX = 2000  # With more, nobody could say which of them are alike.


async def ask_witness(dispatcher: Dispatcher) -> None:
    """Ask for ever, as long as somebody waits for an answer; never more often than politeness
    allows. What the listing does not name proves nothing, and goes on waiting.
    """
    patience = min(ASK_AFTER_SECONDS, dispatcher.settings.submit_unknown_seconds / 3)
    while True:
        try:
            await _ask_for_all(dispatcher, now() - timedelta(seconds=patience))
        except (DatabaseUnavailable, LogUnavailable) as error:
            logger.warning("witness_waits", reason=repr(error))
        await asyncio.sleep(min(ASK_EVERY_SECONDS, patience))


async def _ask_for_all(dispatcher: Dispatcher, until: datetime) -> None:
    old = await dispatcher.database.read(
        lambda connection: waiting_jobs.due(
            connection, Waits.OUTCOME, micros_of(until), ATTEMPTS_MAX
        )
    )
    for endpoint in {row.endpoint for row in old}:
        if endpoint is not None:
            await _ask(dispatcher, endpoint, [row for row in old if row.endpoint == endpoint])


async def _ask(dispatcher: Dispatcher, endpoint: str, old: list[WaitingJob]) -> None:
    since = time_of(min(row.waits_from for row in old)) - CLOCKS_APART_MAX
    listed = await dispatcher.gateway.listed(endpoint, since)
    if not listed:
        return
    # Read after the listing, and all of them: ended ones and newer ones may have sent the same.
    rows = await dispatcher.database.read(
        lambda connection: waiting_jobs.unanswered(
            connection, endpoint, micros_of(since), ATTEMPTS_MAX
        )
    )
    if len(rows) >= ATTEMPTS_MAX:
        return
    started = {row.job_id: found for row in rows if (found := await _started(dispatcher, row))}
    ids = [each.request_id for each in listed]
    owned = await dispatcher.database.read(lambda connection: jobs.owned_requests(connection, ids))
    seen = [
        Seen(each.request_id, each.json_input, each.sent_at)
        for each in listed
        if each.request_id not in owned
    ]
    unanswered = [
        await _sent(dispatcher, row, started[row.job_id]) for row in rows if row.job_id in started
    ]
    proven = owners(unanswered, seen)
    for row in old:
        if row.job_id in proven:
            await _record(dispatcher, started[row.job_id], proven[row.job_id])


async def _started(dispatcher: Dispatcher, row: WaitingJob) -> SubmissionStarted | None:
    """Find the attempt that was never answered; later commits may have ended the job."""
    sequences = await dispatcher.database.read(
        lambda connection: job_commits.sequences(connection, row.job_id)
    )
    for sequence in reversed(sequences):
        recorded = await dispatcher.log.read(sequence)
        for event in recorded.commit.events if recorded is not None else ():
            if isinstance(event, SubmissionStarted) and event.attempt == row.attempt:
                return event
    return None


async def _sent(dispatcher: Dispatcher, row: WaitingJob, event: SubmissionStarted) -> Unanswered:
    arguments = await dispatcher.vault.unseal(event.account_id, event.arguments)
    return Unanswered(row.job_id, msgspec.json.decode(arguments), time_of(row.waits_from))


async def _record(dispatcher: Dispatcher, event: SubmissionStarted, request_id: str) -> None:
    taken = dispatcher.gateway.known(event.endpoint, request_id)
    found = JobSubmitted(
        job_id=event.job_id,
        account_id=event.account_id,
        attempt=event.attempt,
        provider=event.provider,
        request_id=taken.request_id,
        status_url=taken.status_url,
        response_url=taken.response_url,
        cancel_url=taken.cancel_url,
        learnt_from=LearntFrom.LISTING,
    )
    commit = Commit(id=fresh_commit_id(), at=now(), events=(found,))
    sequence_of(await dispatcher.log.append(evidence_subject("submitted"), commit, after=None))
    logger.info("lost_reply_found", job=event.job_id, request_id=request_id)
