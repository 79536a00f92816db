"""The run: which of its steps goes next, and its own end. Its jobs hold and settle the credits."""

from datetime import datetime
from typing import assert_never

from msgspec import Struct, structs

from contracts import events
from contracts.job_state import End
from contracts.run_state import RunState, StepState
from contracts.sealed import Sealed
from domain.refusals import Refused


class StartStep(Struct, frozen=True, kw_only=True):
    step: int
    input: Sealed
    deadline_at: datetime


class SettleStep(Struct, frozen=True, kw_only=True):
    step: int
    end: End


class CancelRun(Struct, frozen=True, kw_only=True):
    by: str


RunCommand = StartStep | SettleStep | CancelRun


def requested(event: events.RunRequested, sequence: int) -> RunState:
    """Return the state of a run that has no commit of its own yet."""
    return RunState(
        run_id=event.run_id,
        account_id=event.account_id,
        funnel=event.funnel,
        exclusive_key=event.exclusive_key,
        requested_sequence=sequence,
        steps=tuple(
            StepState(step=each.step, job_id=each.job_id, started=bool(each.end), end=each.end)
            for each in event.steps
        ),
    )


def next_step(run: RunState) -> StepState | None:
    """Return the step to start: the first that was not, once all before it have ended."""
    if run.end is not None:
        return None
    step = next((each for each in run.steps if each.end is None), None)
    return step if step is not None and not step.started else None


def under_way(run: RunState) -> list[StepState]:
    """Return the steps that were started and are not settled."""
    return [each for each in run.steps if each.started and each.end is None]


def decide(command: RunCommand, run: RunState) -> list[events.RunEvent]:
    """Return what happens: nothing for a repeat. Raise Refused when it may not."""
    match command:
        case StartStep():
            return _start(command, run)
        case SettleStep():
            return _settle(command, run)
        case CancelRun(by=by):
            if run.end is End.CANCELLED:
                return []
            if run.end is not None:
                raise Refused("run_ended", f"the run has {run.end.value} already")
            return [events.RunCancelled(run_id=run.run_id, account_id=run.account_id, by=by)]
        case _:
            assert_never(command)


def evolve(run: RunState, event: events.RunEvent) -> RunState:
    match event:
        case events.RunStepStarted(step=step):
            return _with_step(run, step, started=True)
        case events.RunStepSettled(step=step, end=end):
            return _with_step(run, step, end=end)
        case events.RunCompleted():
            return structs.replace(run, end=End.COMPLETED)
        case events.RunFailed():
            return structs.replace(run, end=End.FAILED)
        case events.RunCancelled():
            return structs.replace(run, end=End.CANCELLED)
        case _:
            assert_never(event)


def _start(command: StartStep, run: RunState) -> list[events.RunEvent]:
    if run.end is not None:
        raise Refused("run_ended", f"the run has {run.end.value}")
    step = _step(run, command.step)
    if step.started:
        return []
    return [
        events.RunStepStarted(
            run_id=run.run_id,
            account_id=run.account_id,
            step=step.step,
            job_id=step.job_id,
            input=command.input,
            deadline_at=command.deadline_at,
        )
    ]


def _settle(command: SettleStep, run: RunState) -> list[events.RunEvent]:
    step = _step(run, command.step)
    if step.end is not None:
        return []
    settled: events.RunEvent = events.RunStepSettled(
        run_id=run.run_id,
        account_id=run.account_id,
        step=step.step,
        job_id=step.job_id,
        end=command.end,
    )
    ends = [each.end for each in evolve(run, settled).steps]
    if run.end is not None or None in ends:
        return [settled]
    kind = events.RunCompleted if set(ends) == {End.COMPLETED} else events.RunFailed
    return [settled, kind(run_id=run.run_id, account_id=run.account_id)]


def _step(run: RunState, number: int) -> StepState:
    return next(each for each in run.steps if each.step == number)


def _with_step(run: RunState, number: int, **changes: object) -> RunState:
    steps = tuple(
        structs.replace(each, **changes) if each.step == number else each for each in run.steps
    )
    return structs.replace(run, steps=steps)
