"""Running the embedded world: everything up, ready, given its first tokens, and down again."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import httpx
from msgspec import structs

from adapters.access_tokens import fresh_token
from adapters.account_desk import Wish
from adapters.broker import connect
from adapters.broker_setup import set_up
from adapters.settings import CommonSettings, load
from cli.connection import Connection, connected
from cli.supervisor import Program, Supervisor
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

SERVICES = ("projector", "dispatcher", "ingestor", "api")
READY_SECONDS = 30.0
DEMO_ACCOUNT = AccountId("demo")
DEMO_CREDITS = 100
GIBIBYTE = 1024**3

Tell = Callable[[str], None]


class NotReady(Exception):
    """The world did not come up in time."""


class UpSettings(CommonSettings, frozen=True, kw_only=True):
    log_max_bytes: int = 20 * GIBIBYTE


@asynccontextmanager
async def running(
    data_dir: Path, host: str, port: int, *, tell: Tell, log_folder: Path | None
) -> AsyncIterator[tuple[World, Supervisor]]:
    """Start everything, yield once it is ready, stop everything."""
    world = prepare(data_dir, host, port)
    supervisor = Supervisor(tell, log_folder)
    try:
        await _start(world, supervisor)
        world.save()
        await _until_ready(world)
        await _welcome(world)
        world.save()
        yield world, supervisor
    finally:
        await supervisor.stop()
        if (saved := read_world(data_dir)) is not None:
            saved.pid = 0
            saved.save()


async def _start(world: World, supervisor: Supervisor) -> None:
    (world.folder / "broker").mkdir(parents=True, exist_ok=True)
    structs.replace(load(CommonSettings), darkroom_data_dir=world.data_dir).master_key()
    if world.own_broker:
        command, environment = broker_command(world)
        await supervisor.start(Program("broker", command, environment))
    if world.provider == "simulator":
        command = [sys.executable, "-m", "simulator"]
        await supervisor.start(Program("simulator", command, simulator_environment(world)))
    await _set_up(world)
    while world.provider == "simulator" and not world.ca_bundle.exists():
        await asyncio.sleep(0.05)
    for service in SERVICES:
        command = [sys.executable, "-m", f"services.{service}"]
        program = Program(service, command, service_environment(world, service))
        await supervisor.start(program)


async def _set_up(world: World) -> None:
    user, password = ("operator", world.passwords["operator"])
    settings = load(UpSettings)
    if not world.own_broker:
        user, password = settings.nats_user or "", settings.nats_password or ""
    async with asyncio.timeout(READY_SECONDS):
        client = await connect(world.nats_url, user or None, password or None, "darkroom up")
        await set_up(client, log_bytes_max=settings.log_max_bytes, replicas=1)
        await client.close()


async def _until_ready(world: World) -> None:
    async with httpx.AsyncClient(timeout=2.0, trust_env=False) as client:
        for _ in range(int(READY_SECONDS / 0.1)):
            try:
                if (await client.get(f"{world.url}/health/ready")).is_success:
                    return
            except httpx.HTTPError:
                pass
            await asyncio.sleep(0.1)
    msg = "the services did not become ready: see the logs above, or `darkroom doctor`"
    raise NotReady(msg)


async def _welcome(world: World) -> None:
    """Give the demo account its credits and tokens, once in the life of the log."""
    if world.tokens:
        return
    async with connected(world.folder) as connection:
        grant = GrantCredits(DEMO_CREDITS, "welcome")
        wish = Wish(
            command=grant,
            actor="darkroom up",
            correlation_id="welcome",
            idempotency_key="welcome",
            fingerprint="welcome",
        )
        await connection.accounts.ask(DEMO_ACCOUNT, wish)
        for role in (Role.USER, Role.OPERATOR):
            account = DEMO_ACCOUNT if role is Role.USER else AccountId("operators")
            world.tokens[role.value] = (await issue_token(connection, account, role))[1]


async def issue_token(
    connection: Connection, account: AccountId, role: Role
) -> tuple[TokenId, str]:
    """Issue a token; it is shown once and kept nowhere but as a hash."""
    fresh = fresh_token(role)
    wish = Wish(command=fresh.command, actor="cli", correlation_id=str(uuid4()))
    granted = await connection.accounts.ask(account, wish)
    await connection.changes.wait_for(granted.sequence, 5.0)
    return fresh.command.token_id, fresh.secret
