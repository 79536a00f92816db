"""`darkroom doctor`: what is wrong, and what to do about it."""

import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import click
import httpx
from msgspec import Struct, structs

from adapters.dead_letters import DeadLetters
from adapters.event_log.jetstream import ALARM_SHARE
from adapters.health import ask_health
from adapters.settings import CommonSettings, load
from cli.connection import CATCH_UP_SECONDS, Connection, connected
from cli.output import DIFFERENCES, operator_command, show_all, stop_with
from cli.simulate import ask_simulator, failures_url
from cli.world import NoWorld, World, broker_program, read_world

DISK_BYTES_MIN = 1024**3


class Finding(Struct, frozen=True):
    """What one check found. `advice` says what to do, and is empty when all is well."""

    what: str
    state: str
    advice: str = ""


@click.command()
@operator_command
async def doctor(data_dir: Path, *, as_json: bool) -> None:
    """Look at everything this world needs. Exit code 6 when something is wrong."""
    findings = [finding async for finding in _findings(data_dir)]
    show_all([structs.asdict(finding) for finding in findings], as_json=as_json)
    if any(finding.advice for finding in findings):
        stop_with(DIFFERENCES, "something needs attention: see above")


async def _findings(data_dir: Path) -> AsyncIterator[Finding]:
    yield Finding("python", sys.version.split()[0])
    missing = broker_program() is None
    advice = "run `make setup`" if missing else ""
    yield Finding("nats-server", "missing" if missing else "found", advice)
    yield _disk(data_dir)
    world = read_world(data_dir)
    settings = load(CommonSettings)
    own = settings.provider or ("fal" if settings.provider_key else "simulator")
    provider = world.provider if world else own
    about = "fal (costs money)" if provider == "fal" else "simulator (costs no money)"
    yield Finding("provider", about)
    try:
        async with connected(data_dir) as connection:
            async for finding in _of_log(connection):
                yield finding
            async for finding in _of_services(connection):
                yield finding
    except NoWorld as error:
        is_there = settings.nats_url or (world is not None and world.is_running)
        what, state = ("broker", "away") if is_there else ("world", "not running")
        yield Finding(what, state, str(error))
        if world is None or not world.is_running:
            return
    except Exception as error:  # noqa: BLE001 - whatever is wrong is reported.
        yield Finding("broker", "away", str(error) or "it does not answer in time")
    if world is not None:
        if world.provider == "simulator":
            yield await _simulator(world)
        yield await _readiness(world.local_url)


async def _of_services(connection: Connection) -> AsyncIterator[Finding]:
    """Yield what each service reports about itself, its alarms, and the dead letters."""
    for health in await ask_health(connection.client):
        state = "consuming" if health.consuming else "not consuming"
        yield Finding(health.service, state, "" if health.consuming else "see its log")
        for alarm in health.alarms:
            yield Finding(health.service, "alarm", alarm)
    for each in await DeadLetters(connection.client).all():
        what = f"commit {each.sequence} of {each.durable}: {each.reason}"
        yield Finding("parked", what, f"see `darkroom parked show {each.id}`")


def _disk(data_dir: Path) -> Finding:
    folder = data_dir if data_dir.exists() else data_dir.absolute().parent
    free = shutil.disk_usage(folder).free
    advice = "free some space: the broker stops writing on a full disk"
    return Finding("disk", f"{free // 1024**2} MB free", advice if free < DISK_BYTES_MIN else "")


async def _of_log(connection: Connection) -> AsyncIterator[Finding]:
    size, limit = await connection.log.fill()
    is_filling = limit > 0 and size > ALARM_SHARE * limit
    advice = "raise LOG_MAX_BYTES and run `darkroom broker setup`" if is_filling else ""
    state = f"{size // 1024**2} of {limit // 1024**2} MB, epoch {connection.log.epoch}"
    yield Finding("log", state, advice)
    end = await connection.log.end()
    try:
        await connection.changes.wait_for(end, CATCH_UP_SECONDS)
        yield Finding("read models", f"at {connection.changes.position} of {end}")
    except Exception as error:  # noqa: BLE001 - as above.
        yield Finding("read models", "behind", f"{error}: look at the projector's log")


async def _simulator(world: World) -> Finding:
    try:
        rules = (await ask_simulator(world, "GET"))["rules"]
    except NoWorld as error:
        return Finding("simulator", "does not answer", str(error))
    count = sum(rule["left"] != 0 for rule in rules)
    return Finding("simulator", f"{failures_url(world)}, {count} failures set")


async def _readiness(url: str) -> Finding:
    try:
        async with httpx.AsyncClient(timeout=3.0) as client:
            ready = (await client.get(f"{url}/health/ready")).is_success
    except httpx.TimeoutException:
        return Finding("front door", "does not answer", f"{url} says nothing: see the api's log")
    except httpx.HTTPError:
        return Finding("front door", "does not answer", f"nothing listens at {url}")
    return Finding("front door", url if ready else "not ready", "" if ready else "see the logs")
