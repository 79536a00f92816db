"""Advances runs: settles the steps whose jobs have ended, lets the next one go."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

import msgspec
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg

from adapters.clock import now
from adapters.database import DatabaseUnavailable
from adapters.event_log import LogUnavailable
from adapters.job_desk import KnownJob
from adapters.run_desk import KnownRun
from contracts import announcement
from contracts.commit import Recorded
from contracts.events import JobCompleted, JobRequested, RunRequested
from contracts.job_state import End
from contracts.run_state import StepState
from contracts.subjects import CHANGES, job_subject
from domain.funnels import FUNNELS, prompt_of
from domain.job import Cancel
from domain.job_kinds.funnel_step import FunnelStep
from domain.refusals import Refused
from domain.run import SettleStep, StartStep, next_step, under_way
from read_models import waiting_runs
from read_models.waiting_runs import WaitingRun
from services.dispatcher.dependencies import Dispatcher
from services.dispatcher.submitting import Work, submit

logger = structlog.get_logger()

SWEEP_SECONDS = 1.0
ROWS_A_SWEEP = 64
ACT_SECONDS_MAX = 60.0  # One run that hangs must not hold up the others.


async def advance_runs(dispatcher: Dispatcher) -> None:
    """Advance for ever: at once when the projector tells, and by a sweep in any case."""
    while True:
        try:
            dispatcher.runs_changed.clear()
            due = await dispatcher.database.read(
                lambda connection: waiting_runs.due(connection, ROWS_A_SWEEP)
            )
            await asyncio.gather(*(_bounded(dispatcher, row) for row in due))
        except (DatabaseUnavailable, LogUnavailable) as error:
            logger.warning("runs_wait", reason=repr(error))
        try:
            async with asyncio.timeout(SWEEP_SECONDS):
                await dispatcher.runs_changed.wait()
        except TimeoutError:
            continue


async def listen(dispatcher: Dispatcher, client: Client) -> None:
    """Be woken by the projector's announcements; one that is lost costs a second."""

    async def heard(message: Msg) -> None:
        changed = {row.table for row in announcement.decode(message.data).rows}
        if "runs" in changed:
            dispatcher.runs_changed.set()
        if "deliveries" in changed:
            dispatcher.deliveries_changed.set()

    await client.subscribe(CHANGES, cb=heard)


async def _bounded(dispatcher: Dispatcher, row: WaitingRun) -> None:
    try:
        async with asyncio.timeout(ACT_SECONDS_MAX):
            await advance(dispatcher, row)
    except Exception as error:  # noqa: BLE001 - the row stays, the next sweep tries again.
        logger.warning("run_waits", run=row.run_id, reason=repr(error))


async def advance(dispatcher: Dispatcher, row: WaitingRun) -> None:
    """Do what can be done now. Rows may be stale: each act goes through a guard."""
    known = await dispatcher.runs.load(row.run_id, row.requested_in)
    recorded = await dispatcher.log.read(row.requested_in)
    if known is None or recorded is None:
        return
    if known.state.end is End.CANCELLED:
        await _cancel_jobs(dispatcher, known)
        return
    for started in under_way(known.state):
        known = await _settle(dispatcher, known, started)
    while (step := next_step(known.state)) is not None:
        job = await dispatcher.jobs.load(step.job_id, row.requested_in)
        if job is None:
            return
        if job.state.end is None:
            await _start(dispatcher, known, step, job, recorded)
            return
        known = await _settle(dispatcher, known, step)  # Its owner cancelled it before its turn.


async def _settle(dispatcher: Dispatcher, known: KnownRun, step: StepState) -> KnownRun:
    job = await dispatcher.jobs.load(step.job_id)
    if job is None or job.state.end is None:
        return known
    return (
        await dispatcher.runs.decide(known, SettleStep(step=step.step, end=job.state.end))
    ).known


async def _cancel_jobs(dispatcher: Dispatcher, known: KnownRun) -> None:
    for step in known.state.steps:
        if step.end is not None:
            continue
        job = await dispatcher.jobs.load(step.job_id, known.state.requested_in)
        try:
            if job is not None:
                await dispatcher.jobs.decide(job, Cancel(by="run", reason="its run was cancelled"))
        except Refused:
            continue  # It has ended by itself.


async def _start(
    dispatcher: Dispatcher, known: KnownRun, step: StepState, job: KnownJob, recorded: Recorded
) -> None:
    """Commit RunStepStarted, whose guard lets one dispatcher through, and submit its job."""
    account = known.state.account_id
    built = FunnelStep(prompt=await _prompt(dispatcher, known, step, recorded))
    sealed = await dispatcher.vault.seal(account, msgspec.json.encode(built))
    deadline_at = now() + timedelta(seconds=dispatcher.settings.job_deadline_seconds)
    command = StartStep(step=step.step, input=sealed, deadline_at=deadline_at)
    made = await dispatcher.runs.decide_once(known, command)
    if made is None or not made.events or dispatcher.room < 1:
        return  # Somebody else was faster; or it waits as a row, and the sweep finds it.
    kind = next(
        event.kind
        for event in recorded.commit.events
        if isinstance(event, JobRequested) and event.job_id == step.job_id
    )
    dispatcher.at_provider += 1
    _in_background(
        dispatcher, submit(dispatcher, job, Work(kind, sealed, deadline_at, made.commit_id))
    )


def _in_background(dispatcher: Dispatcher, work: Coroutine[Any, Any, None]) -> None:
    """A POST takes its time: other runs go on meanwhile."""
    task = asyncio.create_task(work)
    dispatcher.background.add(task)

    def done(ended: "asyncio.Task[None]") -> None:
        dispatcher.background.discard(ended)
        if not ended.cancelled() and (error := ended.exception()) is not None:
            logger.warning("step_not_submitted", reason=repr(error))

    task.add_done_callback(done)


async def _prompt(
    dispatcher: Dispatcher, known: KnownRun, step: StepState, recorded: Recorded
) -> str:
    """Build the step's prompt from the intake and from what earlier steps wrote."""
    wanted = next(
        event
        for event in recorded.commit.events
        if isinstance(event, RunRequested) and event.run_id == known.state.run_id
    )
    funnel = FUNNELS[wanted.funnel]
    wish = funnel.step(step.step)
    intake = await dispatcher.vault.unseal(wanted.account_id, wanted.intake)
    earlier = {
        each.step: text
        for each in known.state.steps
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
