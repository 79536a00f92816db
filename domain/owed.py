"""What is still to be done for a job that has ended, or for an attempt that was left behind."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any

from contracts import events
from domain.statuses import JobStatus
from domain.waiting import JobWait, WaitReason, is_left_behind


class Duty(StrEnum):
    """What is owed. Beside each: since when, and which service acts on it."""

    REPLY = "reply"  # Since the job ended before its POST was answered. Dispatcher.
    CANCELLATION = "cancellation"  # Since both the end and the request are known. Dispatcher.
    REMOVAL = "removal"  # Since its owner deleted it. Ingestor.
    ANSWERED = "answered"  # A cancellation that is done: a late reply makes no second one.


def duty_left(wait: JobWait, event: events.Event) -> Duty | None:
    """Return what an event leaves to be done about a request that nobody waits for any more.

    The request is the event's own when the event is a JobSubmitted, and the newest attempt's
    otherwise. A job that completes leaves nothing to be cancelled.
    """
    left = _LEFT.get(type(event))
    return left(wait, event) if left is not None else None


def _left_by_reply(wait: JobWait, event: events.JobSubmitted) -> Duty | None:
    return Duty.CANCELLATION if is_left_behind(wait, event) else None


def _left_by_attempt(wait: JobWait, _event: events.SubmissionStarted) -> Duty | None:
    return Duty.CANCELLATION if wait.request_id is not None else None


def _left_by_end(wait: JobWait, _event: events.JobFailed | events.JobCancelled) -> Duty | None:
    """The provider has the job or may have it: also a request that was given up as unknown, and
    of which the provider said afterwards that it had taken it.
    """
    if wait.request_id is not None and wait.reason in _REQUEST_MAY_RUN:
        return Duty.CANCELLATION
    return Duty.REPLY if wait.reason in _POST_MAY_RUN else None


_LEFT: dict[type[events.Event], Callable[[JobWait, Any], Duty | None]] = {
    events.JobSubmitted: _left_by_reply,
    events.SubmissionStarted: _left_by_attempt,
    events.JobFailed: _left_by_end,
    events.JobCancelled: _left_by_end,
}
_POST_MAY_RUN = frozenset({WaitReason.OUTCOME, WaitReason.RESULT})
_REQUEST_MAY_RUN = _POST_MAY_RUN | {WaitReason.TO_SUBMIT}


def is_cancelled_at_provider(status: str) -> bool:
    """Tell whether a provider's request is to be cancelled for the sake of its job's status: the
    job has ended without success. It does not matter how late the request is heard of.
    """
    return status in _WITHOUT_SUCCESS


_WITHOUT_SUCCESS = frozenset({JobStatus.FAILED, JobStatus.CANCELLED})


def duty_after(
    duty: Duty, request_id: str | None, event: events.CancellationAnswered | events.ArtifactsRemoved
) -> Duty | None:
    """Return what is owed after an answer, None when nothing is. An answer about another request
    settles nothing.
    """
    if isinstance(event, events.ArtifactsRemoved):
        return None
    if (event.request_id or None) != request_id:
        return duty
    return Duty.ANSWERED if duty is Duty.CANCELLATION else None
