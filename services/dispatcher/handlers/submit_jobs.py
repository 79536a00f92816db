"""Submits jobs as soon as they are requested, if there is capacity; else the sweep does."""

import asyncio

from faststream.nats import NatsBroker

from adapters.boundary_desk import Known
from adapters.broker import subscriber
from adapters.broker_setup import SUBMIT_JOBS
from adapters.parking import Handler
from contracts.commit import Headline, Recorded
from contracts.events import JobRequested
from domain.job import requested
from services.dispatcher.dependencies import Dispatcher
from services.dispatcher.submitting import Work, submit

WORKERS = 64


def register(broker: NatsBroker, dispatcher: Dispatcher) -> Handler:
    @subscriber(broker, SUBMIT_JOBS, dispatcher.settings.nats_user, workers=WORKERS)
    async def submit_jobs(recorded: Recorded) -> None:
        events = [
            event
            for event in recorded.commit.events
            if isinstance(event, JobRequested) and event.run_id is None
        ]
        if recorded.commit.headline is Headline.RUN_REQUESTED:
            dispatcher.runs_changed.set()  # Its steps' jobs wait for it.
        if dispatcher.room < len(events):
            return  # What waits is a row, and the sweep goes round the accounts.
        dispatcher.at_provider += len(events)
        await asyncio.gather(*(_submit(dispatcher, event, recorded) for event in events))

    return submit_jobs


async def _submit(dispatcher: Dispatcher, event: JobRequested, recorded: Recorded) -> None:
    known = Known(requested(event, recorded.sequence), 0)
    work = Work(event.kind, event.input, causation=recorded.commit.id)
    await submit(dispatcher, known, work)
