"""Advances runs: settles the steps whose jobs have ended, lets the next one go."""

from datetime import timedelta
from functools import partial

import msgspec

from adapters.sweep import Pace, Sweep
from adapters.vault import Unreadable
from application.clock import now
from application.job_commands import LoadedJob
from application.run_commands import LoadedRun
from contracts.commit import Recorded
from contracts.events import JobCompleted, JobRequested, RunRequested
from contracts.job_state import End
from contracts.run_state import StepState
from contracts.subjects import job_subject
from domain.funnels import FUNNELS, prompt_of
from domain.job import Cancel
from domain.job_kinds.funnel_step import FunnelStep
from domain.refusals import JOB_CODES, Refused
from domain.run import SettleStep, StartStep, next_step, under_way
from domain.text import InvalidField
from read_models import waiting_runs
from read_models.waiting_runs import WaitingRun
from services.dispatcher.dependencies import Dispatcher
from services.dispatcher.posting import fail
from services.dispatcher.submitting import Work, begin

RUNS = Pace(
    at_once=64, at_once_of_lane=8, act_seconds=60.0, pause_seconds=0.5, pause_seconds_max=300.0
)


def runs(dispatcher: Dispatcher) -> Sweep[WaitingRun]:
    """Advances runs: at once when the projector tells, and by a sweep in any case."""
    take = partial(dispatcher.rows.take_part, dispatcher.peers, waiting_runs.due)
    return Sweep("runs", RUNS, take, partial(advance, dispatcher), dispatcher.runs_changed)


async def advance(dispatcher: Dispatcher, row: WaitingRun) -> None:
    """Do what can be done now. Rows may be stale: each act goes through a guard."""
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
        loaded = await _settle(dispatcher, loaded, step)  # Its owner cancelled it before its turn.


async def _settle(dispatcher: Dispatcher, loaded: LoadedRun, step: StepState) -> LoadedRun:
    job = await dispatcher.jobs.load(step.job_id)
    if job is None or job.state.end is None:
        return loaded
    return (
        await dispatcher.runs.decide(loaded, SettleStep(step=step.step, end=job.state.end))
    ).loaded


async def _cancel_jobs(dispatcher: Dispatcher, loaded: LoadedRun) -> None:
    for step in loaded.state.steps:
        if step.end is not None:
            continue
        job = await dispatcher.jobs.load(step.job_id, loaded.state.requested_sequence)
        try:
            if job is not None:
                await dispatcher.jobs.decide(job, Cancel(by="run", reason="its run was cancelled"))
        except Refused:
            continue  # It has ended by itself.


async def _start(
    dispatcher: Dispatcher, loaded: LoadedRun, step: StepState, job: LoadedJob, recorded: Recorded
) -> None:
    """Commit RunStepStarted, whose guard lets one dispatcher through, and submit its job. A step
    whose prompt can never be built ends its job: the run goes on without it.
    """
    try:
        built = FunnelStep(prompt=await _prompt(dispatcher, loaded, step, recorded))
    except KeyError as error:
        text = f"the funnel or its step is no longer made: {error}"
        await fail(dispatcher, job, "unknown_kind", JOB_CODES["unknown_kind"], text)
        return
    except (InvalidField, Unreadable, ValueError) as error:
        await fail(dispatcher, job, "invalid_input", JOB_CODES["invalid_input"], str(error))
        return
    account = loaded.state.account_id
    sealed = await dispatcher.vault.seal(account, msgspec.json.encode(built))
    deadline_at = now() + timedelta(seconds=dispatcher.settings.job_deadline_seconds)
    command = StartStep(step=step.step, input=sealed, deadline_at=deadline_at)
    made = await dispatcher.runs.decide_once(loaded, command)
    if made is None or not made.events or dispatcher.room < 1:
        return  # Somebody else was faster; or it waits as a row, and the sweep finds it.
    kind = next(
        event.kind
        for event in recorded.commit.events
        if isinstance(event, JobRequested) and event.job_id == step.job_id
    )
    work = Work(kind, sealed, deadline_at, made.commit_id)
    begin(dispatcher, job, work)


async def _prompt(
    dispatcher: Dispatcher, loaded: LoadedRun, step: StepState, recorded: Recorded
) -> str:
    """Build the step's prompt from the intake and from what earlier steps wrote."""
    wanted = next(
        event
        for event in recorded.commit.events
        if isinstance(event, RunRequested) and event.run_id == loaded.state.run_id
    )
    funnel = FUNNELS[wanted.funnel]
    wish = funnel.step(step.step)
    intake = await dispatcher.vault.unseal(wanted.account_id, wanted.intake)
    earlier = {
        each.step: text
        for each in loaded.state.steps
        if each.step in wish.uses and (text := await _text(dispatcher, each))
    }
    return prompt_of(wish, funnel, intake.decode(), earlier)


async def _text(dispatcher: Dispatcher, step: StepState) -> str | None:
    """Return what an earlier step wrote, None when it did not."""
    last = await dispatcher.log.last(job_subject(step.job_id))
    for event in last.commit.events if last is not None else ():
        if isinstance(event, JobCompleted):
            texts = [artifact.text for artifact in event.artifacts]
            return await dispatcher.vault.unseal_text(event.account_id, texts[0] if texts else None)
    return None
