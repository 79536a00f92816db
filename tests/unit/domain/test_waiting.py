"""What an open job or run waits for: given a wait, when something happens, then the next wait."""

from typing import Any

import pytest
from msgspec import structs

from contracts.events import (
    AttemptFailed,
    JobCancelled,
    JobCompleted,
    RequestedStep,
    RunCancelled,
    RunRequested,
    RunStepSettled,
    RunStepStarted,
)
from contracts.events.evidence import Verdict
from contracts.ids import RunId
from contracts.job_state import End
from domain.times import micros_of
from domain.waiting import (
    STEP_UNDER_WAY_MICROS,
    JobWait,
    RunWait,
    WaitReason,
    first_run_wait,
    first_wait,
    is_left_behind,
    makes_reply_unneeded,
    next_run_wait,
    next_wait,
)
from tests.support import examples
from tests.support.examples import ACCOUNT, SEALED, at

JOB = examples.a_job_id()
RUN = RunId("run-1")
BEFORE, NOW, LATER, DEADLINE = 10, 20, micros_of(at(60)), 900
REFUSED = AttemptFailed(
    job_id=JOB,
    account_id=ACCOUNT,
    attempt=1,
    code="refused",
    error=SEALED,
    may_have_run=False,
    not_before=at(60),
)
COMPLETED = JobCompleted(job_id=JOB, account_id=ACCOUNT, attempt=1, artifacts=())
CANCELLED = JobCancelled(job_id=JOB, account_id=ACCOUNT, by="t", reason="r")
STEP = RunStepStarted(
    run_id=RUN, account_id=ACCOUNT, step=2, job_id=JOB, input=SEALED, deadline_at=at(60)
)


def a_wait(reason: WaitReason, **changes: Any) -> JobWait:
    """A job that waits for this in its first attempt."""
    fields: dict[str, Any] = {"since": BEFORE, "deadline_at": DEADLINE, "attempt": 1}
    return JobWait(reason=reason, **(fields | changes))


TO_SUBMIT = a_wait(WaitReason.TO_SUBMIT, attempt=0)
OUTCOME = a_wait(WaitReason.OUTCOME)
RESULT = a_wait(WaitReason.RESULT, request_id="request-1")
SECOND_OUTCOME = a_wait(WaitReason.OUTCOME, attempt=2)
SECOND_RESULT = a_wait(WaitReason.RESULT, attempt=2, request_id="request-2")
STORING = a_wait(WaitReason.STORING, deadline_at=None, request_id="request-1")


def said(verdict: Verdict, attempt: int = 1, request_id: str = "request-1") -> Any:
    event = examples.received(JOB, attempt)
    return structs.replace(event, verdict=verdict, request_id=request_id)


NEXT: dict[str, tuple[JobWait, Any, JobWait | None]] = {
    "a job that is submitted waits for the provider's answer": (
        TO_SUBMIT,
        examples.started(JOB),
        a_wait(WaitReason.OUTCOME, since=NOW),
    ),
    "a job that the provider took waits for its result": (
        OUTCOME,
        examples.submitted(JOB),
        a_wait(WaitReason.RESULT, since=NOW, request_id="request-1"),
    ),
    "a job that the provider refused waits until it may be tried again": (
        OUTCOME,
        REFUSED,
        a_wait(WaitReason.TO_SUBMIT, since=LATER),
    ),
    "a request that becomes known after its attempt was given up is awaited": (
        a_wait(WaitReason.TO_SUBMIT),
        examples.submitted(JOB),
        a_wait(WaitReason.RESULT, since=NOW, request_id="request-1"),
    ),
    "a new attempt has no request yet": (
        a_wait(WaitReason.TO_SUBMIT, request_id="request-1"),
        examples.started(JOB, attempt=2),
        a_wait(WaitReason.OUTCOME, since=NOW, attempt=2),
    ),
    "a result is stored, and the deadline stops": (
        RESULT,
        said(Verdict.OK),
        a_wait(WaitReason.STORING, since=NOW, deadline_at=None, request_id="request-1"),
    ),
    "a failure stops the deadline too": (
        RESULT,
        said(Verdict.ERROR),
        a_wait(WaitReason.STORING, since=NOW, deadline_at=None, request_id="request-1"),
    ),
    "a delivery without a payload is looked into, and the deadline goes on": (
        RESULT,
        said(Verdict.NO_PAYLOAD),
        a_wait(WaitReason.STORING, since=NOW, request_id="request-1"),
    ),
    "a result that comes before the answer to the POST names the request": (
        OUTCOME,
        said(Verdict.OK),
        a_wait(WaitReason.STORING, since=NOW, deadline_at=None, request_id="request-1"),
    ),
    "a result without a request id leaves the known one": (
        RESULT,
        said(Verdict.OK, request_id=""),
        a_wait(WaitReason.STORING, since=NOW, deadline_at=None, request_id="request-1"),
    ),
    "the answer to the POST does not undo a result that came first": (
        STORING,
        examples.submitted(JOB),
        STORING,
    ),
    "an older attempt's success counts": (
        SECOND_RESULT,
        said(Verdict.OK),
        a_wait(WaitReason.STORING, since=NOW, deadline_at=None, attempt=2, request_id="request-1"),
    ),
    "an older attempt's failure changes nothing": (
        SECOND_RESULT,
        said(Verdict.ERROR),
        SECOND_RESULT,
    ),
    "an older attempt's empty delivery changes nothing": (
        SECOND_RESULT,
        said(Verdict.NO_PAYLOAD),
        SECOND_RESULT,
    ),
    "an older attempt's request changes nothing while a newer one is under way": (
        SECOND_OUTCOME,
        examples.submitted(JOB),
        SECOND_OUTCOME,
    ),
    "an older attempt's request is awaited when the newer one was refused": (
        a_wait(WaitReason.TO_SUBMIT, attempt=2),
        examples.submitted(JOB),
        a_wait(WaitReason.RESULT, since=NOW, attempt=2, request_id="request-1"),
    ),
    "a step that its run starts can be submitted, with a deadline of its own": (
        a_wait(WaitReason.RUN, attempt=0),
        STEP,
        a_wait(WaitReason.TO_SUBMIT, since=NOW, deadline_at=LATER, attempt=0),
    ),
    "a completed job waits for nothing": (STORING, COMPLETED, None),
    "a failed job waits for nothing": (RESULT, examples.failed(JOB), None),
    "a cancelled job waits for nothing": (TO_SUBMIT, CANCELLED, None),
}


@pytest.mark.parametrize(("wait", "event", "expected"), NEXT.values(), ids=NEXT.keys())
def test_what_a_job_waits_for_next(wait: JobWait, event: Any, expected: JobWait | None) -> None:
    assert next_wait(wait, event, NOW) == expected


@pytest.mark.parametrize(("run_id", "reason"), [(None, "to_submit"), (RUN, "run")])
def test_a_step_waits_for_its_run_and_any_other_job_can_be_submitted(
    run_id: RunId | None, reason: str
) -> None:
    event = examples.requested(JOB, run_id=run_id, deadline_at=at(60))
    assert first_wait(event, NOW) == JobWait(WaitReason(reason), NOW, LATER)


def test_a_request_is_left_behind_by_a_newer_attempt_that_is_under_way() -> None:
    assert is_left_behind(SECOND_OUTCOME, examples.submitted(JOB))
    assert not is_left_behind(SECOND_OUTCOME, examples.submitted(JOB, attempt=2))
    assert not is_left_behind(
        a_wait(WaitReason.TO_SUBMIT, attempt=2), examples.submitted(JOB, attempt=1)
    )


@pytest.mark.parametrize(
    ("wait", "event", "expected"),
    [
        (SECOND_OUTCOME, said(Verdict.OK), True),
        (SECOND_OUTCOME, COMPLETED, True),
        (SECOND_OUTCOME, said(Verdict.OK, attempt=2), False),
        (SECOND_RESULT, said(Verdict.OK), False),
        (SECOND_OUTCOME, CANCELLED, False),
    ],
)
def test_an_older_result_makes_the_answer_to_a_newer_post_unneeded(
    *, wait: JobWait, event: Any, expected: bool
) -> None:
    assert makes_reply_unneeded(wait, event) is expected


def test_a_run_waits_for_the_jobs_that_it_did_not_take_over() -> None:
    steps = (
        RequestedStep(step=2, name="Offer", job_id=JOB, end=End.COMPLETED),
        RequestedStep(step=3, name="Deck", job_id=JOB),
    )
    run = RunRequested(
        run_id=RUN, account_id=ACCOUNT, funnel="f", project_id="p", intake=SEALED, steps=steps
    )
    assert first_run_wait(run, NOW) == RunWait(NOW, 1)


RUN_CANCELLED = RunCancelled(run_id=RUN, account_id=ACCOUNT, by="t")
STEP_SETTLED = RunStepSettled(run_id=RUN, account_id=ACCOUNT, step=2, job_id=JOB, end=End.COMPLETED)
NEXT_OF_RUN: dict[str, tuple[RunWait, Any, RunWait | None]] = {
    "a run whose step was started is looked at in half a minute": (
        RunWait(BEFORE, 2),
        STEP,
        RunWait(NOW + STEP_UNDER_WAY_MICROS, 2),
    ),
    "a run whose step has settled can go on at once": (
        RunWait(BEFORE, 2),
        STEP_SETTLED,
        RunWait(NOW, 2),
    ),
    "the end of a job wakes its run": (RunWait(BEFORE, 2), COMPLETED, RunWait(NOW, 1)),
    "a cancelled run still has its open jobs to cancel": (
        RunWait(BEFORE, 1),
        RUN_CANCELLED,
        RunWait(NOW, 1, has_ended=True),
    ),
    "a cancelled run is over with its last job": (
        RunWait(BEFORE, 1, has_ended=True),
        CANCELLED,
        None,
    ),
    "a run without open jobs is over with its end": (RunWait(BEFORE, 0), RUN_CANCELLED, None),
}


@pytest.mark.parametrize(
    ("wait", "event", "expected"), NEXT_OF_RUN.values(), ids=NEXT_OF_RUN.keys()
)
def test_when_a_run_is_looked_at_next(wait: RunWait, event: Any, expected: RunWait | None) -> None:
    assert next_run_wait(wait, event, NOW) == expected
