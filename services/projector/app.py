"""Wires the projector and decides nothing."""

import asyncio

from adapters import broker
from adapters.database import open_database
from adapters.event_log.jetstream import JetStreamLog
from adapters.health import Health, answer_health
from adapters.parking import Parking
from adapters.process import until
from services.projector.dependencies import Projector
from services.projector.handlers.project_commits import project_commits
from services.projector.handlers.watch_broker import watch_broker
from services.projector.settings import ProjectorSettings


async def run(settings: ProjectorSettings, stop: asyncio.Event) -> None:
    client = await broker.connect(
        settings.nats_url, settings.nats_user, settings.nats_password, "projector"
    )
    log = await JetStreamLog.open(client)
    database = open_database(settings.database, read_only=False)
    projector = Projector(log, database, client)

    def check() -> Health:
        return Health("projector", not projector.degraded, projector.alarms)

    await answer_health(client, "projector", check)
    await until(
        stop,
        asyncio.create_task(project_commits(projector)),
        asyncio.create_task(watch_broker(projector, log, Parking(client))),
    )
    await database.close()
    await client.close()
