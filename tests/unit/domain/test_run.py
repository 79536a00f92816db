"""The run's rules: one step after the other, none stopped by another, one end."""

from typing import Any

from contracts.events import (
    RequestedStep,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunRequested,
    RunStepSettled,
    RunStepStarted,
)
from contracts.ids import RunId
from contracts.job_state import End
from contracts.run_state import RunState
from domain.run import (
    CancelRun,
    SettleStep,
    StartStep,
    decide,
    evolve,
    next_step,
    requested,
    under_way,
)
from tests.support.deciders import Given
from tests.support.examples import ACCOUNT, SEALED, a_job_id, at

RUN = RunId(a_job_id())
JOBS = {step: a_job_id() for step in (2, 3, 5)}
KNOWN: dict[str, Any] = {"run_id": RUN, "account_id": ACCOUNT}


def asked(*taken: int) -> RunState:
    steps = tuple(
        RequestedStep(
            step=step, name=str(step), job_id=job, end=End.COMPLETED if step in taken else None
        )
        for step, job in JOBS.items()
    )
    event = RunRequested(**KNOWN, funnel="f", project_id="p", intake=SEALED, steps=steps)
    return requested(event, 7)


def given(*history: Any, taken: tuple[int, ...] = ()) -> Given[RunState, Any, Any]:
    return Given(decide, evolve, asked(*taken), *history)


def start(step: int) -> StartStep:
    return StartStep(step=step, input=SEALED, deadline_at=at(900))


def started(step: int) -> RunStepStarted:
    return RunStepStarted(**KNOWN, step=step, job_id=JOBS[step], input=SEALED, deadline_at=at(900))


def settled(step: int, end: End = End.COMPLETED) -> RunStepSettled:
    return RunStepSettled(**KNOWN, step=step, job_id=JOBS[step], end=end)


def test_the_first_step_goes_first_and_the_next_one_only_after_its_end() -> None:
    waiting = given().state
    going = given(started(2)).state
    after = given(started(2), settled(2)).state
    assert [next_step(each) and next_step(each).step for each in (waiting, going, after)] == [  # type: ignore[union-attr]
        2,
        None,
        3,
    ]
    assert [each.step for each in under_way(going)] == [2]


def test_a_step_is_started_once() -> None:
    given().when(start(2)).then(started(2))
    given(started(2)).when(start(2)).then_nothing()


def test_a_failed_step_does_not_stop_the_others() -> None:
    after = given(started(2), settled(2, End.FAILED)).state
    step = next_step(after)
    assert step is not None
    assert step.step == 3


def test_the_last_step_ends_the_run_completed_when_all_were() -> None:
    history = (started(2), settled(2), started(3), settled(3), started(5))
    outcome = given(*history).when(SettleStep(step=5, end=End.COMPLETED))
    outcome.then(settled(5), RunCompleted(**KNOWN))


def test_one_failure_makes_the_run_a_failed_one() -> None:
    history = (started(2), settled(2, End.FAILED), started(3), settled(3), started(5))
    outcome = given(*history).when(SettleStep(step=5, end=End.COMPLETED))
    outcome.then(settled(5), RunFailed(**KNOWN))


def test_settling_twice_changes_nothing() -> None:
    given(started(2), settled(2)).when(SettleStep(step=2, end=End.COMPLETED)).then_nothing()


def test_a_step_that_was_taken_over_is_not_run_again() -> None:
    first = next_step(given(taken=(2,)).state)
    assert first is not None
    assert first.step == 3
    outcome = given(started(3), settled(3), started(5), taken=(2,)).when(
        SettleStep(step=5, end=End.COMPLETED)
    )
    outcome.then_kinds(RunStepSettled, RunCompleted)


def test_a_cancelled_run_starts_nothing_and_still_learns_how_its_jobs_ended() -> None:
    cancelled = RunCancelled(**KNOWN, by="u")
    given().when(CancelRun(by="u")).then(cancelled)
    given(cancelled).when(CancelRun(by="u")).then_nothing()
    given(cancelled).when(start(2)).then_refused("run_ended")
    given(started(2), cancelled).when(SettleStep(step=2, end=End.CANCELLED)).then_kinds(
        RunStepSettled
    )
    assert next_step(given(cancelled).state) is None


def test_an_ended_run_cannot_be_cancelled() -> None:
    given(RunCompleted(**KNOWN)).when(CancelRun(by="u")).then_refused("run_ended")
