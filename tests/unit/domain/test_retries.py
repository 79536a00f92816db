"""What may be run again: failed jobs, and the failed steps of runs that have ended."""

from typing import Any

import pytest
from msgspec import structs

from contracts.events import RequestedStep
from contracts.ids import JobId, RunId
from contracts.job_state import End, JobState
from domain import job, job_kinds
from domain.job_kinds.funnel_step import FunnelStep
from domain.refusals import Refused
from domain.retries import check_job_can_be_retried, kind_to_retry, steps_to_retry, taken_over
from domain.statuses import RunStatus, ShownStep, StepStatus
from domain.times import micros_of
from tests.support import examples
from tests.support.examples import at

RUN = RunId("run-1")
OPEN = job.requested(examples.requested(examples.a_job_id()), 1)


@pytest.mark.parametrize(
    ("state", "is_refused"),
    [
        (None, True),
        (OPEN, True),
        (structs.replace(OPEN, end=End.COMPLETED), True),
        (structs.replace(OPEN, end=End.FAILED), False),
        (structs.replace(OPEN, end=End.CANCELLED), False),
        (structs.replace(OPEN, end=End.FAILED, run_id=RUN), True),
    ],
    ids=["unknown", "open", "completed", "failed", "cancelled", "a step of a run"],
)
def test_a_job_that_ended_without_success_can_be_retried(
    *, state: JobState | None, is_refused: bool
) -> None:
    if not is_refused:
        check_job_can_be_retried(state)
        return
    with pytest.raises(Refused) as refused:
        check_job_can_be_retried(state)
    assert refused.value.code == "not_failed"


def test_a_job_of_a_retired_kind_is_not_made_again() -> None:
    assert kind_to_retry(FunnelStep.name, b'{"prompt":"x"}') == FunnelStep(prompt="x")
    with pytest.raises(Refused, match="no longer made"):
        kind_to_retry("retired", b"{}")
    assert "retired" not in job_kinds.KINDS


COMPLETED = ShownStep(
    step=2,
    name="Offer",
    job_id=JobId("job-1"),
    status=StepStatus.COMPLETED,
    ended_at=micros_of(at(1)),
)
STEPS = (
    COMPLETED,
    structs.replace(COMPLETED, step=3, status=StepStatus.FAILED, code="deadline"),
    structs.replace(COMPLETED, step=5, status=StepStatus.CANCELLED),
)


@pytest.mark.parametrize(("wanted", "chosen"), [(None, {3, 5}), ([3], {3}), ([5, 3, 3], {3, 5})])
def test_all_failed_steps_are_run_again_or_those_that_were_asked_for(
    wanted: list[int] | None, chosen: set[int]
) -> None:
    assert steps_to_retry(RUN, RunStatus.FAILED, STEPS, wanted) == chosen


@pytest.mark.parametrize(
    ("status", "steps", "wanted", "code"),
    [
        (RunStatus.RUNNING, STEPS, None, "run_active"),
        (RunStatus.FAILED, STEPS, [2, 3], "step_not_failed"),
        (RunStatus.FAILED, STEPS, [4], "invalid"),
        (RunStatus.COMPLETED, STEPS[:1], None, "step_not_failed"),
    ],
)
def test_a_step_that_has_not_failed_is_not_run_again(
    status: RunStatus, steps: Any, wanted: list[int] | None, code: str
) -> None:
    with pytest.raises(Refused) as refused:
        steps_to_retry(RUN, status, steps, wanted)
    assert refused.value.code == code


def test_the_other_steps_are_taken_over_as_they_ended() -> None:
    assert taken_over(STEPS[0]) == RequestedStep(
        step=2, name="Offer", job_id=JobId("job-1"), end=End.COMPLETED, ended_at=at(1)
    )
