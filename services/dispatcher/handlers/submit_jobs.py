"""Submits jobs as soon as they are requested, if there is room; else the sweep does."""

from faststream.nats import NatsBroker

from adapters.broker import subscriber
from adapters.broker_setup import SUBMIT_JOBS
from adapters.dead_letters import Handler
from application.command_handler import Loaded
from contracts.commit import CommitKind, Recorded
from contracts.events import JobRequested
from domain.job import requested
from services.dispatcher.dependencies import Dispatcher
from services.dispatcher.submitting import Work, begin, is_late

WORKERS = 64


def register(broker: NatsBroker, dispatcher: Dispatcher) -> Handler:
    @subscriber(broker, SUBMIT_JOBS, dispatcher.settings.nats_user, workers=WORKERS)
    async def handle(recorded: Recorded) -> None:
        await submit_jobs(dispatcher, recorded)

    return handle


async def submit_jobs(dispatcher: Dispatcher, recorded: Recorded) -> None:
    """Begin what there is room for. Nobody waits for a POST here: what is not begun, or is lost
    with this process, is a row, and the sweep goes round the accounts.
    """
    dispatcher.heard_up_to = max(dispatcher.heard_up_to, recorded.sequence)
    if recorded.commit.kind is CommitKind.RUN_REQUESTED:
        dispatcher.runs_changed.set()  # Its steps' jobs wait for it.
    for event in recorded.commit.events:
        if not isinstance(event, JobRequested) or event.run_id is not None:
            continue
        loaded = Loaded(requested(event, recorded.sequence), 0)
        is_ours = dispatcher.peers.is_mine(event.job_id) and dispatcher.room >= 1
        if is_ours and is_late(recorded.commit.at):  # A sweep may have had it meanwhile.
            loaded = await dispatcher.jobs.load(event.job_id) or loaded
            if loaded.expected_sequence > 0:
                continue
        if is_ours and dispatcher.room >= 1:
            begin(dispatcher, loaded, Work(event.kind, event.input, causation=recorded.commit.id))
        else:
            dispatcher.has_declined = True
