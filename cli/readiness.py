"""Waiting for a world to come up: as long as something moves, and saying what."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import httpx

from adapters.health import ask_health
from application.event_log import LogUnavailable
from cli.connection import Connection
from cli.supervisor import Supervisor, Tell
from cli.world import World

STILL_SECONDS_MAX = 30.0
LOOK_SECONDS = 0.1
PULSE_SECONDS = 1.0
TELL_SECONDS = 5.0

T = TypeVar("T")
Pulse = Callable[[], Awaitable[str]]


class NotReady(Exception):
    """The world does not come up: nothing has moved for a while."""


async def patiently(work: Awaitable[T], pulse: Pulse, supervisor: Supervisor, tell: Tell) -> T:
    """Wait for the work as long as the pulse, a sentence that says how far things are, changes.

    Raise NotReady when it has not for half a minute, NeverUp when a process does not stay up.
    """
    clock = asyncio.get_running_loop().time
    task = asyncio.ensure_future(work)
    said, moved_at, told_at, looked_at = "", clock(), clock(), clock()
    try:
        while not (await asyncio.wait({task}, timeout=LOOK_SECONDS))[0]:
            supervisor.check()
            if clock() - looked_at < PULSE_SECONDS:
                continue
            looked_at, before, said = clock(), said, await pulse()
            if said != before:
                moved_at = clock()
            elif clock() - moved_at > STILL_SECONDS_MAX:
                raise NotReady(f"nothing has moved for {STILL_SECONDS_MAX:.0f} s: {said}")
            if clock() - told_at > TELL_SECONDS:
                told_at = clock()
                tell(f"{said} …")
        return task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def broker_pulse(supervisor: Supervisor) -> Pulse:
    """How far the broker is: reading a long log takes it some seconds a million commits."""

    async def pulse() -> str:
        seconds = _cpu_seconds(supervisor.pids.get("broker", 0))
        return f"the broker does not answer yet ({seconds:.1f} s of work so far)"

    return pulse


def services_pulse(connection: Connection) -> Pulse:
    """How far the read models are, and who does not take in work yet."""
    end = 0

    async def pulse() -> str:
        nonlocal end
        try:
            end = max(end, await connection.log.end())
        except LogUnavailable:
            return "the broker does not answer"
        states = await ask_health(connection.client)
        waiting = ", ".join(state.service for state in states if not state.consuming)
        rows = f"the read models are at {connection.changes.position} of {end}"
        return rows + (f"; not ready: {waiting}" if waiting else "")

    return pulse


async def all_ready(world: World, connection: Connection) -> None:
    """Return once the front door says that all services consume, and the read models have reached
    what was the log's end at the start.
    """
    end = await connection.log.end()
    async with httpx.AsyncClient(timeout=2.0, trust_env=False) as client:
        while not await _is_ready(client, world.local_url):
            await asyncio.sleep(LOOK_SECONDS)
    await connection.changes.wait_for(end, float("inf"))


async def _is_ready(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(f"{url}/health/ready")).is_success
    except httpx.HTTPError:
        return False


def _cpu_seconds(pid: int) -> float:
    """Return how much work a process has done; 0 where /proc does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / 100
