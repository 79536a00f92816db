"""What an open job or run waits for: pure functions from what it waits for now, and an event.

Times are microseconds since 1970, UTC.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Any

from msgspec import Struct

from contracts import events
from contracts.events.evidence import Verdict
from domain.times import micros_of

# The end of a step's job wakes its run. The run is also looked at this long after a step was
# started: the job may have ended before the step was recorded as started.
STEP_UNDER_WAY_MICROS = 30_000_000


class WaitReason(StrEnum):
    """What an open job waits for. Beside each: since when, and which service acts on it."""

    RUN = "run"  # Since it was requested. Its run starts it.
    TO_SUBMIT = "to_submit"  # Since its request, or from when it may be tried again. Dispatcher.
    OUTCOME = "outcome"  # Since the POST was about to be sent. Dispatcher, ingestor.
    RESULT = "result"  # Since the provider took it. Ingestor.
    STORING = "storing"  # Since the result came. Ingestor.


class JobWait(Struct, frozen=True, gc=False):
    """What an open job waits for, and what decides what it waits for next.

    When `deadline_at` passes, the job fails, whatever it waits for. It is None once a result is
    recorded: from then on the limit for storing counts. `request_id` is the provider's name for
    the newest attempt, None until the provider has answered.
    """

    reason: WaitReason
    since: int
    deadline_at: int | None
    attempt: int = 0
    request_id: str | None = None


JobProgress = (
    events.RunStepStarted
    | events.SubmissionStarted
    | events.AttemptFailed
    | events.JobSubmitted
    | events.ResultReceived
    | events.JobCompleted
    | events.JobFailed
    | events.JobCancelled
)


def first_wait(event: events.JobRequested, at: int) -> JobWait:
    """A step of a run waits until its run starts it; any other job can be submitted."""
    reason = WaitReason.TO_SUBMIT if event.run_id is None else WaitReason.RUN
    return JobWait(reason, at, micros_of(event.deadline_at))


def next_wait(wait: JobWait, event: JobProgress, at: int) -> JobWait | None:
    """Return what the job waits for after the event, None when it has ended.

    The same object comes back when the event changes nothing: it is about an older attempt.
    """
    change = _NEXT.get(type(event))
    return change(wait, event, at) if change is not None else None


def is_left_behind(wait: JobWait, event: events.JobSubmitted) -> bool:
    """Tell whether the provider took an older attempt while a newer one is under way. If the newer
    one was refused, the older is the only one there is, and is awaited.
    """
    return event.attempt < wait.attempt and wait.reason is not WaitReason.TO_SUBMIT


def makes_reply_unneeded(wait: JobWait, event: Any) -> bool:
    """Tell whether an older attempt's result came while the POST of a newer one was unanswered.
    Nobody waits for that answer any more, and its request must not be taken for another job's.
    """
    if type(event) not in _RESULTS or event.attempt >= wait.attempt:
        return False
    return wait.reason is WaitReason.OUTCOME


def _let_go(wait: JobWait, event: events.RunStepStarted, at: int) -> JobWait:
    """Its run starts it, with a new deadline: the one before bounded the wait for the run."""
    deadline_at = micros_of(event.deadline_at)
    return JobWait(WaitReason.TO_SUBMIT, at, deadline_at, wait.attempt, wait.request_id)


def _started(wait: JobWait, event: events.SubmissionStarted, at: int) -> JobWait:
    """The POST is about to be sent. The request of an earlier attempt is not this one's."""
    return JobWait(WaitReason.OUTCOME, at, wait.deadline_at, event.attempt)


def _given_up(wait: JobWait, event: events.AttemptFailed, _at: int) -> JobWait:
    """The provider refused the attempt, or never answered: there may be another attempt later."""
    since = micros_of(event.not_before)
    return JobWait(WaitReason.TO_SUBMIT, since, wait.deadline_at, wait.attempt, wait.request_id)


def _submitted(wait: JobWait, event: events.JobSubmitted, at: int) -> JobWait:
    """The provider took it. A job whose result is there already goes on being stored."""
    if is_left_behind(wait, event):
        return wait
    is_result_due = wait.reason in _BEFORE_SUBMITTED
    reason, since = (WaitReason.RESULT, at) if is_result_due else (wait.reason, wait.since)
    return JobWait(reason, since, wait.deadline_at, wait.attempt, event.request_id)


def _received(wait: JobWait, event: events.ResultReceived, at: int) -> JobWait:
    """A success of an older attempt counts; its failure does not, since the newer one is awaited.
    A delivery that says neither yes nor no is no result yet: the deadline goes on.
    """
    if event.attempt < wait.attempt and event.verdict is not Verdict.OK:
        return wait
    deadline_at = wait.deadline_at if event.verdict is Verdict.NO_PAYLOAD else None
    request_id = event.request_id or wait.request_id
    return JobWait(WaitReason.STORING, at, deadline_at, wait.attempt, request_id)


# By type, because the projection asks for every event: what is not here ends the job.
_NEXT: dict[type[events.Event], Callable[[JobWait, Any, int], JobWait]] = {
    events.RunStepStarted: _let_go,
    events.SubmissionStarted: _started,
    events.AttemptFailed: _given_up,
    events.JobSubmitted: _submitted,
    events.ResultReceived: _received,
}
_RESULTS = frozenset({events.ResultReceived, events.JobCompleted})
_BEFORE_SUBMITTED = frozenset({WaitReason.TO_SUBMIT, WaitReason.OUTCOME})


class RunWait(Struct, frozen=True, gc=False):
    """When a run is to be looked at next, and what it still waits for."""

    due_at: int
    open_jobs: int
    has_ended: bool = False


def first_run_wait(event: events.RunRequested, at: int) -> RunWait:
    return RunWait(at, sum(step.end is None for step in event.steps))


def next_run_wait(wait: RunWait, event: events.Event, at: int) -> RunWait | None:
    """Return when the run is due after the event; None once it and all its jobs have ended: until
    then a cancelled run still has jobs to cancel.
    """
    due_at = at + STEP_UNDER_WAY_MICROS if isinstance(event, events.RunStepStarted) else at
    open_jobs = wait.open_jobs - isinstance(event, events.JOB_ENDS)
    has_ended = wait.has_ended or isinstance(event, events.RUN_ENDS)
    return None if has_ended and open_jobs == 0 else RunWait(due_at, open_jobs, has_ended)
