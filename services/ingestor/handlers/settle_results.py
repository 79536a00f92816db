"""Settles jobs as soon as their results are recorded."""

from faststream.nats import NatsBroker

from adapters.broker import subscriber
from adapters.broker_setup import SETTLE_RESULTS
from adapters.dead_letters import Handler
from contracts.commit import Recorded
from contracts.events import ResultReceived
from services.ingestor.dependencies import Ingestor
from services.ingestor.settling import settle

WORKERS = 32


def register(broker: NatsBroker, ingestor: Ingestor) -> Handler:
    @subscriber(broker, SETTLE_RESULTS, ingestor.settings.nats_user, workers=WORKERS)
    async def handle(recorded: Recorded) -> None:
        await settle_results(ingestor, recorded)

    return handle


async def settle_results(ingestor: Ingestor, recorded: Recorded) -> None:
    for event in recorded.commit.events:
        if isinstance(event, ResultReceived):
            await settle(ingestor, event, recorded.commit.id)
