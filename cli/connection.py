"""Reaching a world: the embedded one through its folder, any other one through NATS_URL."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from uuid import uuid4

from msgspec import Struct, structs
from nats import errors
from nats.aio.client import Client

from adapters.broker import connect
from adapters.changes import Changes
from adapters.database import Database, open_database
from adapters.event_log.jetstream import JetStreamLog
from adapters.settings import CommonSettings, load, masked
from application.account_commands import AccountCommandHandler
from cli.world import NoWorld, World, read_world
from contracts.ids import AccountId
from domain.account import AccountCommand
from domain.account_batch import AccountRequest
from read_models import accounts, positions

CONNECT_SECONDS = 5.0
CATCH_UP_SECONDS = 5.0


class Connection(Struct):
    """A command's connection to a world: its log, its read models, its accounts."""

    settings: CommonSettings
    client: Client
    log: JetStreamLog
    database: Database
    changes: Changes
    accounts: AccountCommandHandler

    async def execute(
        self, account: AccountId, command: AccountCommand, key: str | None = None
    ) -> None:
        """Carry out a command, once for each `key`, and wait until the read models show it."""
        request = AccountRequest(
            command=command,
            actor="cli",
            correlation_id=str(uuid4()),
            idempotency_key=key,
            fingerprint=repr(command) if key is not None else None,
        )
        result = await self.accounts.execute(account, request)
        await self.changes.wait_for(result.sequence, CATCH_UP_SECONDS)

    async def catch_up(self) -> int:
        """Wait until the read models hold all that the log does now; return the log's end."""
        end = await self.log.end()
        await self.changes.wait_for(end, CATCH_UP_SECONDS)
        return end


def running_world(data_dir: Path, setting: str) -> World:
    """Return the world running in a folder; raise NoWorld, naming the setting to use instead."""
    world = read_world(data_dir)
    if world is None or not world.is_running:
        raise NoWorld(
            f"no world is running in {data_dir}: start one with `darkroom up`, or set {setting}"
        )
    return world


def settings_of(data_dir: Path) -> CommonSettings:
    """Return the settings with which a command reaches the world; raise NoWorld."""
    settings = structs.replace(load(CommonSettings), darkroom_data_dir=str(data_dir))
    if settings.nats_url:
        return settings
    world = running_world(data_dir, "NATS_URL")
    return structs.replace(
        settings,
        nats_url=world.nats_url,
        nats_user="operator",
        nats_password=world.passwords["operator"],
    )


async def reach_broker(settings: CommonSettings, name: str) -> Client:
    """Connect to the broker; raise NoWorld after some seconds: commands do not wait for ever."""
    user, password = settings.nats_user, settings.nats_password
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            return await connect(settings.nats_url, user, password, name)
    except (TimeoutError, OSError, errors.Error):
        raise NoWorld(f"the broker does not answer at {masked(settings.nats_url)}") from None


@asynccontextmanager
async def connected(data_dir: Path) -> AsyncIterator[Connection]:
    settings = settings_of(data_dir)
    client = await reach_broker(settings, "darkroom cli")
    database = open_database(settings.database, read_only=True)
    try:
        log = await JetStreamLog.open(client)
        changes = Changes(partial(database.read, positions.read))
        await changes.start(client)
        handler = AccountCommandHandler(
            log, lambda account, needed: database.read(accounts.snapshot, account, needed), changes
        )
        yield Connection(settings, client, log, database, changes, handler)
    finally:
        await database.close()
        await client.close()
