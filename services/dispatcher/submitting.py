"""Submitting a job: gather, commit SubmissionStarted, POST once, commit what came of it."""

import asyncio
import random
from datetime import datetime

import msgspec
import structlog
from msgspec import Struct
from prometheus_client import Counter

from adapters import fal
from adapters.clock import fresh_commit_id, now
from adapters.event_log import Unavailable
from adapters.job_desk import KnownJob, MadeJob
from contracts.commit import Commit
from contracts.events import JobSubmitted, SubmissionStarted
from contracts.events.evidence import LearntFrom
from contracts.ids import CommitId, JobId
from contracts.sealed import Sealed
from contracts.subjects import evidence_subject
from domain import job_kinds
from domain.job import Fail, GiveUpAttempt, StartSubmission
from domain.job_kinds.base import Gathered
from domain.refusals import JOB_CODES, Refused
from domain.retry import after_refusal
from services.dispatcher.dependencies import Dispatcher
from services.dispatcher.source_pages import PageUnreadable, read_page

logger = structlog.get_logger()

EVIDENCE_TRIES = 20
SUBMISSIONS = Counter("darkroom_submissions_total", "POSTs to the provider", ["outcome"])


class Work(Struct, frozen=True):
    """What is to be submitted. A run's job has its input from the run, and its deadline too."""

    kind: str
    input: Sealed
    deadline_at: datetime | None = None
    causation: CommitId | None = None


async def submit(dispatcher: Dispatcher, known: KnownJob, work: Work) -> None:
    """Submit the job unless somebody else does, or it has ended. Harmless to repeat."""
    job_id = known.state.job_id
    if job_id in dispatcher.active:
        return
    dispatcher.active.add(job_id)
    try:
        await _submit(dispatcher, known, work)
    finally:
        dispatcher.active.discard(job_id)


async def _submit(dispatcher: Dispatcher, known: KnownJob, work: Work) -> None:
    plain = await dispatcher.vault.unseal(known.state.account_id, work.input)
    kind = job_kinds.recall(work.kind, plain)
    if kind is None:
        await fail(dispatcher, known, "unknown_kind", JOB_CODES["unknown_kind"])
        return
    url = kind.source_url()
    try:
        text = await read_page(url, dispatcher.settings.allowed_hosts) if url else None
    except PageUnreadable as reason:
        await fail(dispatcher, known, "blog_unreadable", f"{JOB_CODES['blog_unreadable']} {reason}")
        return
    arguments = kind.arguments(Gathered(text, dispatcher.settings.funnel_model))
    async with dispatcher.posts:
        started = await _start(dispatcher, known, kind.endpoint, arguments, work)
        if started is not None:
            await _post(dispatcher, started, kind.endpoint, arguments)


async def _start(
    dispatcher: Dispatcher,
    known: KnownJob,
    endpoint: str,
    arguments: dict[str, object],
    work: Work,
) -> MadeJob | None:
    """Commit SubmissionStarted; its guard lets exactly one dispatcher through to the POST."""
    sealed = await dispatcher.vault.seal(known.state.account_id, msgspec.json.encode(arguments))
    command = StartSubmission(
        provider=dispatcher.settings.provider_name,
        endpoint=endpoint,
        arguments=sealed,
        deadline_at=work.deadline_at,
    )
    try:
        return await dispatcher.jobs.decide_once(known, command, causation=work.causation)
    except Refused:
        return None  # It has ended, or an attempt is open: nothing to do here.


async def _post(
    dispatcher: Dispatcher, started: MadeJob, endpoint: str, arguments: dict[str, object]
) -> None:
    url = _webhook_url(dispatcher, started)
    outcome = await dispatcher.gateway.submit(endpoint, arguments, url)
    SUBMISSIONS.labels(type(outcome).__name__).inc()
    match outcome:
        case fal.Accepted():
            dispatcher.breaker.close()
            await _record_submitted(dispatcher, started, outcome)
        case fal.Rejected(status, words):
            dispatcher.breaker.close()
            code = "invalid_input" if status == 422 else "provider_refused"  # noqa: PLR2004
            await fail(dispatcher, started.known, code, JOB_CODES[code], words)
        case fal.OperatorTrouble(_, words):
            dispatcher.breaker.refused(words)
            await _back_off(dispatcher, started, "provider_unavailable", words, None)
        case fal.Refused(words, retry_after_seconds, is_busy):
            if not is_busy:
                dispatcher.breaker.trouble(words)
            await _back_off(dispatcher, started, "refused", words, retry_after_seconds)
        case fal.OutcomeUnknown(words):
            # Only evidence or its own deadline settles it; the waiting row is found by the sweep.
            logger.warning("submission_unknown", job=started.known.state.job_id, words=words)


async def _record_submitted(dispatcher: Dispatcher, started: MadeJob, taken: fal.Accepted) -> None:
    """Commit the evidence. The reply is in our hands only, so do not let go of it easily."""
    event = started.events[0]
    if not isinstance(event, SubmissionStarted):
        return
    commit = Commit(
        id=fresh_commit_id(),
        at=now(),
        causation_id=started.commit_id,
        events=(submitted(event, taken),),
    )
    for _ in range(EVIDENCE_TRIES):
        outcome = await dispatcher.log.append(evidence_subject("submitted"), commit, after=None)
        if not isinstance(outcome, Unavailable):
            return
        await asyncio.sleep(0.5)
    logger.error("reply_not_recorded", job=event.job_id, request_id=taken.request_id)


def submitted(
    event: SubmissionStarted, taken: fal.Accepted, learnt_from: LearntFrom = LearntFrom.REPLY
) -> JobSubmitted:
    """What is recorded of an attempt that the provider has."""
    return JobSubmitted(
        job_id=event.job_id,
        account_id=event.account_id,
        attempt=event.attempt,
        provider=event.provider,
        request_id=taken.request_id,
        status_url=taken.status_url,
        response_url=taken.response_url,
        cancel_url=taken.cancel_url,
        learnt_from=learnt_from,
    )


async def _back_off(
    dispatcher: Dispatcher, started: MadeJob, code: str, words: str, retry_after: float | None
) -> None:
    known = started.known
    decision = after_refusal(
        known.state,
        at=now(),
        retry_after_seconds=retry_after,
        jitter=random.random(),  # noqa: S311 - spreads load, guards nothing.
        seconds_max=dispatcher.settings.submit_backoff_seconds_max,
    )
    if decision.not_before is None:
        await fail(dispatcher, known, "deadline", JOB_CODES["deadline"], words)
        return
    account = known.state.account_id
    command = GiveUpAttempt(
        attempt=len(known.state.attempts),
        code=code,
        error=await dispatcher.vault.seal(account, words.encode()),
        may_have_run=False,
        not_before=decision.not_before,
    )
    await dispatcher.jobs.decide(known, command, causation=started.commit_id)


async def fail(
    dispatcher: Dispatcher, known: KnownJob, code: str, message: str, detail: str = ""
) -> None:
    """End the job as failed; its hold is released in the same commit."""
    account = known.state.account_id
    sealed = await dispatcher.vault.seal(account, message.encode())
    words = await dispatcher.vault.seal(account, detail.encode()) if detail else None
    await dispatcher.jobs.decide(known, Fail(code=code, message=sealed, detail=words))


def _webhook_url(dispatcher: Dispatcher, started: MadeJob) -> str | None:
    base = dispatcher.settings.webhooks_base
    if base is None:
        return None
    state = started.known.state
    attempt = len(state.attempts)
    token = dispatcher.tokens.mint(state.account_id, JobId(state.job_id), attempt)
    return f"{base}/api/infographs/webhook/{state.job_id}/?attempt={attempt}&token={token}"
