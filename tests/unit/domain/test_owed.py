"""What is owed about a request that nobody waits for: given a wait or a duty, when, then."""

from typing import Any

import pytest

from contracts.events import ArtifactsRemoved, CancellationAnswered, JobCancelled, JobCompleted
from domain.owed import Duty, duty_after, duty_left, is_cancelled_at_provider
from domain.statuses import JobStatus
from domain.waiting import JobWait, WaitReason
from tests.support import examples
from tests.support.examples import ACCOUNT

JOB = examples.a_job_id()
COMPLETED = JobCompleted(job_id=JOB, account_id=ACCOUNT, attempt=1, artifacts=())
CANCELLED = JobCancelled(job_id=JOB, account_id=ACCOUNT, by="t", reason="r")
REMOVED = ArtifactsRemoved(job_id=JOB, account_id=ACCOUNT, keys=())


def a_wait(reason: WaitReason, attempt: int = 1, request_id: str | None = None) -> JobWait:
    return JobWait(reason, 10, 900, attempt, request_id)


def answered(request_id: str) -> CancellationAnswered:
    return CancellationAnswered(job_id=JOB, account_id=ACCOUNT, request_id=request_id, answer="202")


LEFT: dict[str, tuple[JobWait, Any, Duty | None]] = {
    "a job that was never submitted owes nothing": (
        a_wait(WaitReason.TO_SUBMIT, 0),
        CANCELLED,
        None,
    ),
    "a step that its run did not start owes nothing": (a_wait(WaitReason.RUN, 0), CANCELLED, None),
    "a job that ends before its POST was answered owes the reply": (
        a_wait(WaitReason.OUTCOME),
        CANCELLED,
        Duty.REPLY,
    ),
    "a cancelled job that the provider has is cancelled there": (
        a_wait(WaitReason.RESULT, request_id="request-1"),
        CANCELLED,
        Duty.CANCELLATION,
    ),
    "a failed job that the provider has is cancelled there": (
        a_wait(WaitReason.RESULT, request_id="request-1"),
        examples.failed(JOB),
        Duty.CANCELLATION,
    ),
    "a request that was given up and became known is cancelled with its job": (
        a_wait(WaitReason.TO_SUBMIT, request_id="request-1"),
        CANCELLED,
        Duty.CANCELLATION,
    ),
    "a job whose result is there owes nothing": (
        a_wait(WaitReason.STORING, request_id="request-1"),
        CANCELLED,
        None,
    ),
    "a completed job owes nothing": (
        a_wait(WaitReason.RESULT, request_id="request-1"),
        COMPLETED,
        None,
    ),
    "a new attempt leaves the older one's request to be cancelled": (
        a_wait(WaitReason.TO_SUBMIT, request_id="request-1"),
        examples.started(JOB, attempt=2),
        Duty.CANCELLATION,
    ),
    "a new attempt after a refusal leaves nothing": (
        a_wait(WaitReason.TO_SUBMIT),
        examples.started(JOB, attempt=2),
        None,
    ),
    "an older attempt's request is cancelled while a newer one is under way": (
        a_wait(WaitReason.OUTCOME, 2),
        examples.submitted(JOB),
        Duty.CANCELLATION,
    ),
    "the newest attempt's request is awaited": (
        a_wait(WaitReason.OUTCOME),
        examples.submitted(JOB),
        None,
    ),
    "a result leaves nothing": (a_wait(WaitReason.RESULT), examples.received(JOB), None),
}


@pytest.mark.parametrize(("wait", "event", "expected"), LEFT.values(), ids=LEFT.keys())
def test_what_an_event_leaves_to_be_done(wait: JobWait, event: Any, expected: Duty | None) -> None:
    assert duty_left(wait, event) is expected


@pytest.mark.parametrize(
    ("duty", "request_id", "event", "expected"),
    [
        (Duty.CANCELLATION, "request-1", answered("request-1"), Duty.ANSWERED),
        (Duty.CANCELLATION, "request-2", answered("request-1"), Duty.CANCELLATION),
        (Duty.CANCELLATION, "request-1", answered(""), Duty.CANCELLATION),
        (Duty.REPLY, None, answered(""), None),
        (Duty.REMOVAL, None, REMOVED, None),
    ],
)
def test_an_answer_settles_what_it_is_about(
    duty: Duty, request_id: str | None, event: Any, expected: Duty | None
) -> None:
    assert duty_after(duty, request_id, event) is expected


def test_a_request_of_a_job_that_ended_without_success_is_cancelled() -> None:
    cancelled = {each for each in JobStatus if is_cancelled_at_provider(each)}
    assert cancelled == {JobStatus.FAILED, JobStatus.CANCELLED}
