"""The log and the read models: opened together, and checked against each other."""

from collections.abc import Callable
from functools import partial

from nats.aio.client import Client
from sqlalchemy import Connection

from adapters import broker
from adapters.changes import Changes
from adapters.database import Database, DatabaseUnavailable, open_database
from adapters.event_log.jetstream import JetStreamLog
from adapters.settings import CommonSettings
from application.event_log import EventLog
from contracts.commit import Mark


async def open_log_and_rows(
    settings: CommonSettings,
    service: str,
    find_mark: Callable[[Connection], Mark | None],
    read_position: Callable[[Connection], int],
) -> tuple[Client, JetStreamLog, Database, Changes]:
    """Open what a service reads. The caller starts the changes."""
    client = await broker.connect(
        settings.nats_url, settings.nats_user, settings.nats_password, service
    )
    log = await JetStreamLog.open(client)
    database = open_database(settings.database, read_only=True)
    await expect_mark(log, database, find_mark)
    return client, log, database, Changes(partial(database.read, read_position))


async def expect_mark(
    log: EventLog, database: Database, find: Callable[[Connection], Mark | None]
) -> None:
    """Have the log checked against the read models: it must hold the commit that they are at."""
    try:
        mark = await database.read(find)
    except DatabaseUnavailable:
        return  # Nothing can be read from the read models, so nothing is decided on them either.
    if mark is not None:
        log.expect(mark)
