"""Running the embedded world: all processes are started, awaited and stopped again."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import structs

from adapters.access_tokens import fresh_token
from adapters.broker import connect
from adapters.broker_setup import set_up
from adapters.settings import CommonSettings, load
from cli.connection import Connection, connected
from cli.folder_lock import held
from cli.output import PRIVATE
from cli.readiness import all_ready, broker_progress, services_progress, while_progressing
from cli.service_settings import check_all, log_bytes_max
from cli.supervisor import STOP_SECONDS, Program, Supervisor, Tell
from cli.world import (
    World,
    broker_command,
    prepare,
    read_world,
    service_environment,
    simulator_environment,
)
from contracts.events.account import Role
from contracts.ids import AccountId, TokenId
from domain.account import GrantCredits
from domain.account_batch import AccountRequest

POSTING_SECONDS = 58.0  # A dispatcher waits for its last POST and records the outcome.
SERVICES = ("projector", "dispatcher", "ingestor", "api")
DEMO_ACCOUNT = AccountId("demo")
DEMO_CREDITS = 100
LOG_SHARE_OF_DISK = 2


@asynccontextmanager
async def running(
    data_dir: Path, host: str, port: int, *, tell: Tell
) -> AsyncIterator[tuple[World, Supervisor]]:
    """Start everything, yield once it is ready, stop everything. Raise FolderInUse."""
    os.umask(PRIVATE)
    check_all({**os.environ, "DARKROOM_HOST": host, "DARKROOM_PORT": str(port)})
    async with held(data_dir.resolve(), tell) as shared_lock:
        world = prepare(data_dir, host, port)
        supervisor = Supervisor(tell, world.folder / "logs", (shared_lock,))
        try:
            await _start(world, supervisor, tell)
            world.save()
            await _until_ready(world, supervisor, tell)
            world.save()
            supervisor.note_up()
            yield world, supervisor
        finally:
            await supervisor.stop()
            if (saved := read_world(data_dir)) is not None:
                saved.pid = 0
                saved.save()


async def _start(world: World, supervisor: Supervisor, tell: Tell) -> None:
    (world.folder / "broker").mkdir(parents=True, exist_ok=True)
    structs.replace(load(CommonSettings), darkroom_data_dir=world.data_dir).master_key()
    if world.own_broker:
        command, environment = broker_command(world)
        await supervisor.start(Program("broker", command, environment))
    if world.provider == "simulator":
        command = [sys.executable, "-m", "simulator"]
        await supervisor.start(Program("simulator", command, simulator_environment(world)))
    await while_progressing(_set_up(world), broker_progress(supervisor), supervisor, tell)
    while world.provider == "simulator" and not world.ca_bundle.exists():
        supervisor.check()
        await asyncio.sleep(0.05)
    for service in SERVICES:
        command = [sys.executable, "-m", f"services.{service}"]
        environment = service_environment(world, service)
        seconds = POSTING_SECONDS if service == "dispatcher" else STOP_SECONDS
        await supervisor.start(Program(service, command, environment, seconds))


async def _set_up(world: World) -> None:
    user, password = ("operator", world.passwords["operator"])
    settings = load(CommonSettings)
    if not world.own_broker:
        user, password = settings.nats_user or "", settings.nats_password or ""
    client = await connect(world.nats_url, user or None, password or None, "darkroom up")
    bytes_max = log_bytes_max()
    if world.own_broker:
        bytes_max = fitting(bytes_max, shutil.disk_usage(world.folder).free)
    try:
        await set_up(client, log_bytes_max=bytes_max, replicas=1)
    finally:
        await client.close()


def fitting(log_bytes: int, free_bytes: int) -> int:
    """Return the limit for a new log: at most half of the free disk, so that the log is full before
    the disk is. A log that exists keeps its limit.
    """
    return min(log_bytes or free_bytes, free_bytes // LOG_SHARE_OF_DISK)


async def _until_ready(world: World, supervisor: Supervisor, tell: Tell) -> None:
    async with connected(world.folder) as connection:
        progress = services_progress(connection)
        await while_progressing(all_ready(world, connection), progress, supervisor, tell)
        await _prepare_demo(world, connection)


async def _prepare_demo(world: World, connection: Connection) -> None:
    """Give the demo account its credits and tokens, once in the life of the log."""
    if world.tokens:
        return
    request = AccountRequest(
        command=GrantCredits(DEMO_CREDITS, "welcome"),
        actor="darkroom up",
        correlation_id="welcome",
        idempotency_key="welcome",
        fingerprint="welcome",
    )
    await connection.accounts.execute(DEMO_ACCOUNT, request)
    for role in (Role.USER, Role.OPERATOR):
        account = DEMO_ACCOUNT if role is Role.USER else AccountId("operators")
        world.tokens[role.value] = (await issue_token(connection, account, role))[1]


async def issue_token(
    connection: Connection, account: AccountId, role: Role
) -> tuple[TokenId, str]:
    """Issue a token; it is shown once and kept nowhere but as a hash."""
    fresh = fresh_token(role)
    await connection.execute(account, fresh.command)
    return fresh.command.token_id, fresh.secret
