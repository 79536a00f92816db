"""Wires the projector and decides nothing."""

import asyncio

from adapters import broker
from adapters.background import Background
from adapters.database import open_database
from adapters.dead_letters import DeadLetters
from adapters.event_log.jetstream import JetStreamLog
from adapters.health import Health, answer_health
from services.projector.dependencies import Projector
from services.projector.handlers.project_commits import project_commits
from services.projector.handlers.watch_broker import WATCH_SECONDS, watch_broker
from services.projector.settings import ProjectorSettings


async def run(settings: ProjectorSettings, stop: asyncio.Event) -> None:
    client = await broker.connect(
        settings.nats_url, settings.nats_user, settings.nats_password, "projector"
    )
    log = await JetStreamLog.open(client)
    database = open_database(settings.database, read_only=False)
    projector = Projector(log, database, client)
    background, dead_letters = Background(), DeadLetters(client)

    def check() -> Health:
        alarms = (*projector.alarms, *background.troubles)
        return Health("projector", projector.is_consuming, alarms, projector.behind)

    await answer_health(client, "projector", check)
    background.keep("projection", lambda: project_commits(projector))
    background.repeat("watch", lambda: watch_broker(projector, log, dead_letters), WATCH_SECONDS)
    await stop.wait()
    await background.end_loops()
    await database.close()
    await client.close()
