"""Finding a world: the embedded one through its folder, another through NATS_URL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import Struct, structs
from nats import errors
from nats.aio.client import Client

from adapters.broker import connect
from adapters.changes import Changes
from adapters.database import Database, open_database
from adapters.event_log.jetstream import JetStreamLog
from adapters.settings import CommonSettings, load, masked
from application.account_commands import AccountCommandHandler
from application.job_commands import JobCommandHandler
from cli.world import read_world
from read_models import accounts, positions

CONNECT_SECONDS = 5.0


class NoWorld(Exception):
    """Nothing runs there."""


class Connection(Struct):
    """An operator's connection: the log, the read models, the desks."""

    settings: CommonSettings
    client: Client
    log: JetStreamLog
    database: Database
    changes: Changes
    accounts: AccountCommandHandler
    jobs: JobCommandHandler


def settings_of(data_dir: Path) -> CommonSettings:
    """Return the settings with which a command reaches the world; raise NoWorld."""
    settings = structs.replace(load(CommonSettings), darkroom_data_dir=str(data_dir))
    if settings.nats_url:
        return settings
    world = read_world(data_dir)
    if world is None or not world.is_running:
        raise NoWorld(
            f"no world is running in {data_dir}: start one with `darkroom up`, or set NATS_URL"
        )
    return structs.replace(
        settings,
        nats_url=world.nats_url,
        nats_user="operator",
        nats_password=world.passwords["operator"],
    )


async def reach(settings: CommonSettings, name: str) -> Client:
    """Connect to the broker; raise NoWorld when it does not answer: a command does not wait."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            return await connect(
                settings.nats_url, settings.nats_user, settings.nats_password, name
            )
    except (TimeoutError, OSError, errors.Error):
        raise NoWorld(f"the broker does not answer at {masked(settings.nats_url)}") from None


@asynccontextmanager
async def connected(data_dir: Path) -> AsyncIterator[Connection]:
    settings = settings_of(data_dir)
    client = await reach(settings, "darkroom cli")
    database = open_database(settings.database, read_only=True)
    try:
        log = await JetStreamLog.open(client)
        changes = Changes(lambda: database.read(positions.read))
        await changes.start(client)
        desk = AccountCommandHandler(
            log,
            lambda account, wanted: database.read(accounts.snapshot, account, wanted),
            changes,
        )
        yield Connection(settings, client, log, database, changes, desk, JobCommandHandler(log))
    finally:
        await database.close()
        await client.close()
