"""Submits jobs as soon as they are requested, if there is capacity; else the sweep does."""

import asyncio

from faststream.nats import NatsBroker

from adapters.broker import subscriber
from adapters.broker_setup import SUBMIT_JOBS
from adapters.job_desk import KnownJob
from adapters.parking import Handler
from contracts.commit import Recorded
from contracts.events import JobRequested
from domain.job import requested
from services.dispatcher.dependencies import Dispatcher
from services.dispatcher.submitting import submit

WORKERS = 64


def register(broker: NatsBroker, dispatcher: Dispatcher) -> Handler:
    @subscriber(broker, SUBMIT_JOBS, dispatcher.settings.nats_user, workers=WORKERS)
    async def submit_jobs(recorded: Recorded) -> None:
        events = [event for event in recorded.commit.events if isinstance(event, JobRequested)]
        if dispatcher.room < len(events):
            return  # What waits is a row, and the sweep goes round the accounts.
        dispatcher.at_provider += len(events)
        await asyncio.gather(*(_submit(dispatcher, event, recorded) for event in events))

    return submit_jobs


async def _submit(dispatcher: Dispatcher, event: JobRequested, recorded: Recorded) -> None:
    known = KnownJob(requested(event, recorded.sequence), 0)
    await submit(dispatcher, known, event, recorded.commit.id)
