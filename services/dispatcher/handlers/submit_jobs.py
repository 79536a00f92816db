"""Submits jobs as soon as they are requested, while slots are free; a sweep submits the others."""

from faststream.nats import NatsBroker

from adapters.broker_setup import SUBMIT_JOBS
from adapters.dead_letters import Handler
from adapters.subscribers import subscriber
from application.command_handler import Loaded
from contracts.commit import CommitKind, Recorded
from contracts.events import JobRequested
from domain.job import requested
from services.dispatcher.dependencies import Dispatcher
from services.dispatcher.posting import PendingSubmission
from services.dispatcher.submitting import begin, is_late

WORKERS = 64


def register(broker: NatsBroker, dispatcher: Dispatcher) -> Handler:
    @subscriber(broker, SUBMIT_JOBS, dispatcher.settings.nats_user, workers=WORKERS)
    async def handle(recorded: Recorded) -> None:
        await submit_jobs(dispatcher, recorded)

    return handle


async def submit_jobs(dispatcher: Dispatcher, recorded: Recorded) -> None:
    """Begin to submit the commit's jobs while slots are free, and wait for none of them. A job
    that is not begun here, or is lost with this process, stays a row, which the sweep finds.
    """
    dispatcher.heard_up_to = max(dispatcher.heard_up_to, recorded.sequence)
    if recorded.commit.kind is CommitKind.RUN_REQUESTED:
        dispatcher.runs_changed.set()  # The jobs of its steps wait until the run starts them.
    for event in recorded.commit.events:
        if isinstance(event, JobRequested) and event.run_id is None:
            await _begin_job(dispatcher, recorded, event)


async def _begin_job(dispatcher: Dispatcher, recorded: Recorded, event: JobRequested) -> None:
    loaded = Loaded(requested(event, recorded.sequence), 0)
    is_ours = dispatcher.peers.is_mine(event.job_id) and dispatcher.free_slots >= 1
    if is_ours and is_late(recorded.commit.at):  # A sweep may have submitted the job meanwhile.
        loaded = await dispatcher.jobs.load(event.job_id) or loaded
        if loaded.expected_sequence > 0:
            return
    if is_ours and dispatcher.free_slots >= 1:
        causation = recorded.commit.id
        begin(dispatcher, loaded, PendingSubmission(event.kind, event.input, causation=causation))
    else:
        dispatcher.has_declined = True
