"""Posting a job: SubmissionStarted is committed, then the POST is sent, and what came of it is."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import structlog
from msgspec import Struct
from prometheus_client import Counter

from adapters import fal
from adapters.storage import StorageUnavailable
from adapters.vault import KeysUnavailable
from application.clock import fresh_commit_id, now
from application.event_log import LogUnavailable
from application.job_commands import JobDecision, LoadedJob
from application.recording import record
from contracts.events import JobSubmitted, SubmissionStarted
from contracts.events.evidence import LearntFrom
from contracts.ids import CommitId, JobId
from contracts.sealed import Sealed
from contracts.webhook_path import webhook_url
from domain.job import Fail, GiveUpAttempt, StartSubmission
from domain.refusals import JOB_CODES, Refused
from domain.retry import after_refusal
from services.dispatcher.dependencies import Dispatcher

logger = structlog.get_logger()

ALARM_TRIES = 20  # Then operators are told that what came of a POST is not in the log yet.
RECORD_PAUSE_SECONDS = 0.5
BUSY_SECONDS_MAX = 60.0  # How long one attempt asks a provider that is busy.
_AWAY = (LogUnavailable, KeysUnavailable, StorageUnavailable)
SUBMISSIONS = Counter("darkroom_submissions_total", "POSTs to the provider", ["outcome"])


class Post(Struct, frozen=True):
    """What is sent, and where. `sealed` is None when the log holds it already."""

    endpoint: str
    arguments: dict[str, object]
    sealed: Sealed | None
    deadline_at: datetime
    let_go_until: datetime | None = None  # The deadline that its run gave a step's job.
    causation: CommitId | None = None


async def start_and_post(dispatcher: Dispatcher, loaded: LoadedJob, post: Post) -> None:
    """Wait for a slot, then commit SubmissionStarted and POST: from the commit on nothing but its
    own timeout ends it. The time in the queue does not count.
    """
    async with dispatcher.slots:
        if now() >= post.deadline_at:
            await fail(dispatcher, loaded, "deadline", JOB_CODES["deadline"])
            return
        started = await _start(dispatcher, loaded, post)
        if started is not None:
            await _post(dispatcher, started, post)


async def _start(dispatcher: Dispatcher, loaded: LoadedJob, post: Post) -> JobDecision | None:
    """Commit SubmissionStarted; its guard lets exactly one dispatcher through to the POST. Who has
    waited for a slot until the breaker opened is left to the sweep.
    """
    if dispatcher.stopping.is_set() or dispatcher.breaker.is_open:
        return None
    command = StartSubmission(
        provider=dispatcher.settings.provider_name,
        endpoint=post.endpoint,
        arguments=post.sealed,
        deadline_at=post.let_go_until,
    )
    try:
        return await dispatcher.jobs.decide_once(loaded, command, causation=post.causation)
    except Refused:
        return None  # It has ended, or an attempt is open: nothing to do here.


async def _post(dispatcher: Dispatcher, started: JobDecision, post: Post) -> None:
    url = _webhook_url(dispatcher, started)
    outcome = await _ask_provider(dispatcher, started, post, url)
    SUBMISSIONS.labels(type(outcome).__name__).inc()
    _tell_breaker(dispatcher, outcome)
    job, commit_id = started.loaded.state.job_id, fresh_commit_id()
    await _insist(job, lambda: _record(dispatcher, started, outcome, commit_id))


def _tell_breaker(dispatcher: Dispatcher, outcome: fal.SubmissionOutcome) -> None:
    match outcome:
        case fal.SubmissionAccepted() | fal.SubmissionRejected():
            dispatcher.breaker.close()
        case fal.OperatorTrouble(words):
            dispatcher.breaker.refused(words)
        case fal.SubmissionRefused(is_busy=True):
            return
        case fal.SubmissionRefused(words) | fal.SubmissionUnknown(words, has_hung=True):
            dispatcher.breaker.trouble(words)


async def _insist(job: JobId, record: Callable[[], Awaitable[None]]) -> None:
    """What came of a POST is in our hands only: as long as this process lives, it is not let go
    of. A log that is away or full for longer than the patience with unknown outcomes would have
    the job posted again.
    """
    tries = 0
    while True:
        try:
            await record()
        except _AWAY as error:
            reason = repr(error)
        else:
            return
        tries += 1
        if tries == ALARM_TRIES:
            logger.error("outcome_not_recorded", job=job, reason=reason)
        await asyncio.sleep(RECORD_PAUSE_SECONDS)


async def _record(
    dispatcher: Dispatcher,
    started: JobDecision,
    outcome: fal.SubmissionOutcome,
    commit_id: CommitId,
) -> None:
    """Commit what came of the POST. Harmless to repeat."""
    match outcome:
        case fal.SubmissionAccepted():
            await _record_submitted(dispatcher, started, outcome, commit_id)
        case fal.SubmissionRejected(words, is_input_refused):
            code = "invalid_input" if is_input_refused else "provider_refused"
            await fail(dispatcher, started.loaded, code, JOB_CODES[code], words)
        case fal.OperatorTrouble(words):
            await _back_off(dispatcher, started, "provider_unavailable", words, None)
        case fal.SubmissionRefused(words, retry_after_seconds):
            await _back_off(dispatcher, started, "refused", words, retry_after_seconds)
        case fal.SubmissionUnknown(words):
            # Only evidence or its own deadline settles it; the waiting row is found by the sweep.
            logger.warning("submission_unknown", job=started.loaded.state.job_id, words=words)


async def _ask_provider(
    dispatcher: Dispatcher, started: JobDecision, post: Post, url: str | None
) -> fal.SubmissionOutcome:
    """POST; while the provider is busy, again after a pause. It has taken nothing, so that is the
    same attempt: what stands in the log must not grow with how long it is busy. The slot is kept,
    so that fewer jobs ask a provider that is busy.
    """
    clock = asyncio.get_running_loop().time
    patience = min(BUSY_SECONDS_MAX, dispatcher.settings.submit_unknown_seconds / 2)
    ends_at = clock() + patience
    earlier = 0
    while True:
        outcome = await dispatcher.gateway.submit(post.endpoint, post.arguments, url)
        if not (isinstance(outcome, fal.SubmissionRefused) and outcome.is_busy):
            return outcome
        pause = _pause(dispatcher, started, outcome.retry_after_seconds, earlier)
        if pause is None or clock() + pause > ends_at:
            return outcome
        try:
            async with asyncio.timeout(pause):
                await dispatcher.stopping.wait()
        except TimeoutError:
            if await _is_open(dispatcher, started):
                earlier += 1
                continue
        return outcome


async def _is_open(dispatcher: Dispatcher, started: JobDecision) -> bool:
    """Tell whether the attempt is still wanted: its owner may have cancelled the job. While nobody
    can tell, it is not posted again.
    """
    try:
        loaded = await dispatcher.jobs.load(started.loaded.state.job_id)
    except LogUnavailable:
        return False
    return loaded is not None and loaded.expected_sequence == started.loaded.expected_sequence


def _pause(
    dispatcher: Dispatcher, started: JobDecision, retry_after: float | None, earlier: int
) -> float | None:
    """Return how many seconds to wait after a refusal; None when the deadline comes first."""
    at = now()
    decision = after_refusal(
        started.loaded.state,
        at=at,
        retry_after_seconds=retry_after,
        jitter=random.random(),  # noqa: S311 - spreads load, guards nothing.
        seconds_max=dispatcher.settings.submit_backoff_seconds_max,
        earlier=earlier,
    )
    if decision.not_before is None:
        return None
    return (decision.not_before - at).total_seconds()


async def _record_submitted(
    dispatcher: Dispatcher, started: JobDecision, taken: fal.SubmissionAccepted, commit_id: CommitId
) -> None:
    """Commit the evidence, under one id: tried again, it is in the log once."""
    event = started.events[0]
    if not isinstance(event, SubmissionStarted):
        return
    await record(
        dispatcher.log,
        submitted(event, taken),
        commit_id=commit_id,
        causation=started.commit_id,
    )


def submitted(
    event: SubmissionStarted,
    taken: fal.ProviderRequest,
    learnt_from: LearntFrom = LearntFrom.REPLY,
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
    dispatcher: Dispatcher, started: JobDecision, code: str, words: str, retry_after: float | None
) -> None:
    loaded = started.loaded
    pause = _pause(dispatcher, started, retry_after, 0)
    if pause is None:
        await fail(dispatcher, loaded, "deadline", JOB_CODES["deadline"], words)
        return
    account = loaded.state.account_id
    command = GiveUpAttempt(
        attempt=loaded.state.attempt,
        code=code,
        error=await dispatcher.vault.seal(account, words.encode()),
        may_have_run=False,
        not_before=now() + timedelta(seconds=pause),
    )
    await dispatcher.jobs.decide(loaded, command, causation=started.commit_id)


async def fail(
    dispatcher: Dispatcher, loaded: LoadedJob, code: str, message: str, detail: str = ""
) -> None:
    """End the job as failed; its hold is released in the same commit. Where it is not as it was
    loaded, somebody else has it: an attempt that runs is not failed for what another one found.
    """
    account = loaded.state.account_id
    sealed = await dispatcher.vault.seal_words(account, message)
    words = await dispatcher.vault.seal_words(account, detail) if detail else None
    await dispatcher.jobs.decide_once(loaded, Fail(code=code, message=sealed, detail=words))


def _webhook_url(dispatcher: Dispatcher, started: JobDecision) -> str | None:
    base = dispatcher.settings.webhooks_base
    if base is None:
        return None
    state = started.loaded.state
    token = dispatcher.tokens.mint(state.account_id, state.job_id, state.attempt)
    return webhook_url(base, state.job_id, state.attempt, token)
