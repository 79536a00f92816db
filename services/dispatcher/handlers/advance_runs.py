"""Advances runs: settles the steps whose jobs have ended, and starts the next step."""

from datetime import timedelta
from functools import partial

import msgspec

from adapters.sweep import Pace, Sweep
from adapters.vault import Unreadable
from application.clock import now
from application.job_commands import LoadedJob
from application.run_commands import LoadedRun
from contracts.commit import Recorded
from contracts.events import JobCompleted, RunRequested
from contracts.job_state import End
from contracts.run_state import StepState
from contracts.subjects import job_subject
from domain.funnels import FUNNELS, prompt_of
from domain.job import Cancel
from domain.job_kinds.funnel_step import FunnelStep
from domain.refusals import Refused
from domain.run import SettleStep, StartStep, next_step, under_way
from domain.text import InvalidField
from read_models import waiting_runs
from read_models.waiting_runs import WaitingRun
from services.dispatcher.dependencies import Dispatcher
from services.dispatcher.posting import PendingSubmission, fail
from services.dispatcher.submitting import begin

RUNS = Pace(
    at_once=64, at_once_of_lane=8, act_seconds=60.0, pause_seconds=0.5, pause_seconds_max=300.0
)


def runs(dispatcher: Dispatcher) -> Sweep[WaitingRun]:
    """Advances runs: at once when the projector announces a change, else when a row is due."""
    act, wake = partial(advance, dispatcher), dispatcher.runs_changed
    return dispatcher.rows.sweep("runs", RUNS, waiting_runs.due, act, wake)


async def advance(dispatcher: Dispatcher, row: WaitingRun) -> None:
    """Take the run as far as it can go now. The row may be stale: each commit is guarded."""
    loaded = await dispatcher.runs.load(row.run_id, row.requested_sequence)
    recorded = await dispatcher.log.read(row.requested_sequence)
    if loaded is None or recorded is None:
        return
    if loaded.state.end is End.CANCELLED:
        await _cancel_jobs(dispatcher, loaded)
        return
    for started in under_way(loaded.state):
        loaded = await _settle(dispatcher, loaded, started)
    while (step := next_step(loaded.state)) is not None:
        job = await dispatcher.jobs.load(step.job_id, row.requested_sequence)
        if job is None:
            return
        if job.state.end is None:
            await _start(dispatcher, loaded, step, job, recorded)
            return
        loaded = await _settle(dispatcher, loaded, step)  # Its job was cancelled before its turn.


async def _settle(dispatcher: Dispatcher, loaded: LoadedRun, step: StepState) -> LoadedRun:
    """Settle the step if its job has ended; return the run as it is then."""
    job = await dispatcher.jobs.load(step.job_id)
    if job is None or job.state.end is None:
        return loaded
    command = SettleStep(step=step.step, end=job.state.end)
    return (await dispatcher.runs.decide(loaded, command)).loaded


async def _cancel_jobs(dispatcher: Dispatcher, loaded: LoadedRun) -> None:
    for step in loaded.state.steps:
        if step.end is not None:
            continue
        job = await dispatcher.jobs.load(step.job_id, loaded.state.requested_sequence)
        try:
            if job is not None:
                await dispatcher.jobs.decide(job, Cancel(by="run", reason="its run was cancelled"))
        except Refused:
            continue  # The job has ended.


async def _start(
    dispatcher: Dispatcher, loaded: LoadedRun, step: StepState, job: LoadedJob, recorded: Recorded
) -> None:
    """Commit RunStepStarted, whose guard lets one dispatcher through, and submit the step's job. If
    the step's prompt cannot be built, its job fails and the run goes on without it.
    """
    try:
        built = FunnelStep(prompt=await _prompt(dispatcher, loaded, step, recorded))
    except KeyError as error:
        text = f"the funnel or its step is no longer made: {error}"
        await fail(dispatcher, job, "unknown_kind", detail=text)
        return
    except (InvalidField, Unreadable, ValueError) as error:
        await fail(dispatcher, job, "invalid_input", detail=str(error))
        return
    sealed = await dispatcher.vault.seal(loaded.state.account_id, msgspec.json.encode(built))
    deadline_at = now() + timedelta(seconds=dispatcher.settings.job_deadline_seconds)
    command = StartStep(step=step.step, input=sealed, deadline_at=deadline_at)
    decision = await dispatcher.runs.decide_once(loaded, command)
    if decision is None or not decision.events or dispatcher.free_slots < 1:
        return  # Another process has started the step; or its job stays a row, for the sweep.
    kind = job.state.kind
    begin(dispatcher, job, PendingSubmission(kind, sealed, deadline_at, decision.commit_id))


async def _prompt(
    dispatcher: Dispatcher, loaded: LoadedRun, step: StepState, recorded: Recorded
) -> str:
    """Build the step's prompt from the intake and from the texts of earlier steps."""
    requested = next(
        event
        for event in recorded.commit.events
        if isinstance(event, RunRequested) and event.run_id == loaded.state.run_id
    )
    funnel = FUNNELS[requested.funnel]
    funnel_step = funnel.step(step.step)
    intake = await dispatcher.vault.unseal(requested.account_id, requested.intake)
    earlier = {
        each.step: text
        for each in loaded.state.steps
        if each.step in funnel_step.uses and (text := await _text(dispatcher, each))
    }
    return prompt_of(funnel_step, funnel, intake.decode(), earlier)


async def _text(dispatcher: Dispatcher, step: StepState) -> str | None:
    """Return the text of an earlier step; None when its job has not completed."""
    last = await dispatcher.log.last(job_subject(step.job_id))
    for event in last.commit.events if last is not None else ():
        if isinstance(event, JobCompleted):
            texts = [artifact.text for artifact in event.artifacts]
            return await dispatcher.vault.unseal_text(event.account_id, texts[0] if texts else None)
    return None
