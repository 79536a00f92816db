"""Posts a job: commits SubmissionStarted, sends one POST, and commits the outcome."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import datetime
from itertools import count
from math import inf
from typing import Any

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
from domain.retry import after_refusal, busy_seconds
from services.dispatcher.dependencies import Dispatcher

logger = structlog.get_logger()

ALARM_TRIES = 20  # After so many, operators read that the outcome of a POST is not recorded yet.
RECORD_PAUSE_SECONDS = 0.5
_CANNOT_RECORD = (LogUnavailable, KeysUnavailable, StorageUnavailable)
SUBMISSIONS = Counter("darkroom_submissions_total", "POSTs to the provider", ["outcome"])
_LABELS: dict[type[fal.SubmissionOutcome], str] = {  # Dashboards name these: they stay.
    fal.SubmissionAccepted: "Accepted",
    fal.SubmissionRefused: "Refused",
    fal.SubmissionRejected: "Rejected",
    fal.OperatorTrouble: "OperatorTrouble",
    fal.SubmissionUnknown: "OutcomeUnknown",
}


class PendingSubmission(Struct, frozen=True):
    """What the log asks to submit. A run's job gets its input and its deadline from the run. An
    attempt after the first sends what the first one sent, which the commit `arguments_sequence`
    holds.
    """

    kind: str
    input: Sealed
    deadline_at: datetime | None = None
    causation: CommitId | None = None
    arguments_sequence: int | None = None


class PreparedSubmission(Struct, frozen=True):
    """What is to be posted, and where. `sealed` holds the arguments for the log; it is None when
    an earlier attempt has recorded them.
    """

    pending: PendingSubmission
    endpoint: str
    arguments: dict[str, Any]
    sealed: Sealed | None


async def start_and_post(
    dispatcher: Dispatcher, loaded: LoadedJob, prepared: PreparedSubmission
) -> None:
    """Wait for one of the POST slots, commit SubmissionStarted, and POST. After that commit the
    POST is ended by its own timeout only, which does not include the wait for the slot.
    """
    async with dispatcher.post_slots:
        if await fail_past_deadline(dispatcher, loaded, prepared.pending):
            return
        started = await _start(dispatcher, loaded, prepared)
        if started is not None:
            await _post(dispatcher, started, prepared)


async def _start(
    dispatcher: Dispatcher, loaded: LoadedJob, prepared: PreparedSubmission
) -> JobDecision | None:
    """Commit SubmissionStarted, whose guard lets exactly one dispatcher through to the POST. A job
    is left to the sweep if the breaker has opened while the job waited for its slot.
    """
    if dispatcher.stopping.is_set() or dispatcher.breaker.is_open:
        return None
    command = StartSubmission(
        provider=dispatcher.settings.provider_name,
        endpoint=prepared.endpoint,
        arguments=prepared.sealed,
        deadline_at=prepared.pending.deadline_at,
    )
    causation = prepared.pending.causation
    try:
        return await dispatcher.jobs.decide_once(loaded, command, causation=causation)
    except Refused:
        return None  # The job has ended, or another attempt is open.


async def _post(dispatcher: Dispatcher, started: JobDecision, prepared: PreparedSubmission) -> None:
    url = _webhook_url(dispatcher, started)
    outcome = await _post_until_not_busy(dispatcher, started, prepared, url)
    SUBMISSIONS.labels(_LABELS[type(outcome)]).inc()
    _update_breaker(dispatcher, outcome)
    job, commit_id = started.loaded.state.job_id, fresh_commit_id()
    await _retry_until_recorded(job, lambda: _record(dispatcher, started, outcome, commit_id))


def _update_breaker(dispatcher: Dispatcher, outcome: fal.SubmissionOutcome) -> None:
    match outcome:
        case fal.SubmissionAccepted() | fal.SubmissionRejected():
            dispatcher.breaker.close()
        case fal.OperatorTrouble(words):
            dispatcher.breaker.refused(words)
        case fal.SubmissionRefused(is_busy=True):
            return
        case fal.SubmissionRefused(words) | fal.SubmissionUnknown(words, has_hung=True):
            dispatcher.breaker.trouble(words)


async def _retry_until_recorded(job: JobId, write: Callable[[], Awaitable[None]]) -> None:
    """Only this process knows the outcome of its POST, so it tries to record it for as long as it
    lives. Given up, the job would be posted again after SUBMIT_UNKNOWN_SECONDS.
    """
    for tries in count(1):
        try:
            await write()
        except _CANNOT_RECORD as error:
            reason = repr(error)
        else:
            return
        if tries == ALARM_TRIES:
            logger.error("outcome_not_recorded", job=job, reason=reason)
        await asyncio.sleep(RECORD_PAUSE_SECONDS)


async def _record(
    dispatcher: Dispatcher,
    started: JobDecision,
    outcome: fal.SubmissionOutcome,
    commit_id: CommitId,
) -> None:
    """Commit the outcome of the POST. Harmless to repeat under the same `commit_id`."""
    match outcome:
        case fal.SubmissionAccepted():
            if isinstance(event := started.events[0], SubmissionStarted):
                evidence, causation = submitted(event, outcome), started.commit_id
                await record(dispatcher.log, evidence, commit_id=commit_id, causation=causation)
        case fal.SubmissionRejected(words, is_input_refused):
            code = "invalid_input" if is_input_refused else "provider_refused"
            await fail(dispatcher, started.loaded, code, detail=words)
        case fal.OperatorTrouble(words):
            await _back_off(dispatcher, started, "provider_unavailable", words, None)
        case fal.SubmissionRefused(words, retry_after_seconds):
            await _back_off(dispatcher, started, "refused", words, retry_after_seconds)
        case fal.SubmissionUnknown(words):
            # Evidence settles the attempt, or its time limit: a sweep finds its waiting row.
            logger.warning("submission_unknown", job=started.loaded.state.job_id, words=words)


async def _post_until_not_busy(
    dispatcher: Dispatcher, started: JobDecision, prepared: PreparedSubmission, url: str | None
) -> fal.SubmissionOutcome:
    """POST, and POST again after a pause while the provider is busy. A busy provider has taken
    nothing, so all of that is one attempt: the log does not grow with how long the provider is
    busy. The slot is kept meanwhile, so that fewer jobs ask a busy provider.
    """
    clock = asyncio.get_running_loop().time
    ends_at = clock() + busy_seconds(dispatcher.settings.submit_unknown_seconds)
    earlier = 0
    while True:
        outcome = await dispatcher.gateway.submit(prepared.endpoint, prepared.arguments, url)
        if not (isinstance(outcome, fal.SubmissionRefused) and outcome.is_busy):
            return outcome
        not_before = _not_before(dispatcher, started, outcome.retry_after_seconds, earlier)
        pause = (not_before - now()).total_seconds() if not_before else inf
        if clock() + pause > ends_at:
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
    """Tell whether the attempt is still wanted: the job may have been cancelled. While the log
    cannot tell, the job is not posted again.
    """
    try:
        loaded = await dispatcher.jobs.load(started.loaded.state.job_id)
    except LogUnavailable:
        return False
    return loaded is not None and loaded.expected_sequence == started.loaded.expected_sequence


def _not_before(
    dispatcher: Dispatcher, started: JobDecision, retry_after: float | None, earlier: int = 0
) -> datetime | None:
    """Return when to try again after a refusal; None when the deadline comes first."""
    return after_refusal(
        started.loaded.state,
        at=now(),
        retry_after_seconds=retry_after,
        jitter=random.random(),  # noqa: S311 - spreads load, guards nothing.
        seconds_max=dispatcher.settings.submit_backoff_seconds_max,
        earlier=earlier,
    ).not_before


def submitted(
    event: SubmissionStarted,
    request: fal.ProviderRequest,
    learnt_from: LearntFrom = LearntFrom.REPLY,
) -> JobSubmitted:
    """Return the evidence that the provider has accepted an attempt."""
    return JobSubmitted(
        job_id=event.job_id,
        account_id=event.account_id,
        attempt=event.attempt,
        provider=event.provider,
        request_id=request.request_id,
        status_url=request.status_url,
        response_url=request.response_url,
        cancel_url=request.cancel_url,
        learnt_from=learnt_from,
    )


async def _back_off(
    dispatcher: Dispatcher, started: JobDecision, code: str, words: str, retry_after: float | None
) -> None:
    loaded = started.loaded
    not_before = _not_before(dispatcher, started, retry_after)
    if not_before is None:
        await fail(dispatcher, loaded, "deadline", detail=words)
        return
    command = GiveUpAttempt(
        attempt=loaded.state.attempt,
        code=code,
        error=await dispatcher.vault.seal(loaded.state.account_id, words.encode()),
        may_have_run=False,
        not_before=not_before,
    )
    await dispatcher.jobs.decide(loaded, command, causation=started.commit_id)


async def fail_past_deadline(
    dispatcher: Dispatcher, loaded: LoadedJob, pending: PendingSubmission
) -> bool:
    """Fail the job if its deadline is past; tell whether it is."""
    is_past = now() >= (pending.deadline_at or loaded.state.deadline_at)
    if is_past:
        await fail(dispatcher, loaded, "deadline")
    return is_past


async def fail(
    dispatcher: Dispatcher, loaded: LoadedJob, code: str, *, reason: str = "", detail: str = ""
) -> None:
    """End the job as failed; the same commit releases its hold. If the job has changed since it
    was loaded, nothing is written: another process has begun an attempt, or ended the job.
    """
    account = loaded.state.account_id
    message = f"{JOB_CODES[code]} {reason}" if reason else JOB_CODES[code]
    sealed = await dispatcher.vault.seal_words(account, message)
    words = await dispatcher.vault.seal_words(account, detail) if detail else None
    await dispatcher.jobs.decide_once(loaded, Fail(code=code, message=sealed, detail=words))


def _webhook_url(dispatcher: Dispatcher, started: JobDecision) -> str | None:
    base, state = dispatcher.settings.webhooks_base, started.loaded.state
    if base is None:
        return None
    token = dispatcher.tokens.mint(state.account_id, state.job_id, state.attempt)
    return webhook_url(base, state.job_id, state.attempt, token)
