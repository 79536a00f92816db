"""Waiting for a world to come up, for as long as it makes progress, and reporting that progress."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import httpx

from adapters.health import ask_health
from application.event_log import LogUnavailable
from cli.connection import Connection
from cli.supervisor import Supervisor, Tell
from cli.world import World

STALLED_SECONDS_MAX = 30.0
POLL_SECONDS = 0.1
PROGRESS_SECONDS = 1.0  # Between two checks of the progress.
REPORT_SECONDS = 5.0  # Between two reports to the operator.

T = TypeVar("T")
Progress = Callable[[], Awaitable[str]]  # Returns the progress in words.


class NotReady(Exception):
    """The world does not come up: it has made no progress for a while."""


async def while_progressing(
    work: Awaitable[T], progress: Progress, supervisor: Supervisor, tell: Tell
) -> T:
    """Wait for the work for as long as its progress changes. Raise NotReady when it has not changed
    for 30 s, NeverUp when a process does not stay up.
    """
    clock = asyncio.get_running_loop().time
    task = asyncio.ensure_future(work)
    said, moved_at, reported_at, asked_at = "", clock(), clock(), clock()
    try:
        while not (await asyncio.wait({task}, timeout=POLL_SECONDS))[0]:
            supervisor.check()
            if clock() - asked_at < PROGRESS_SECONDS:
                continue
            asked_at, before, said = clock(), said, await progress()
            if said != before:
                moved_at = clock()
            elif clock() - moved_at > STALLED_SECONDS_MAX:
                raise NotReady(f"nothing has moved for {STALLED_SECONDS_MAX:.0f} s: {said}")
            if clock() - reported_at > REPORT_SECONDS:
                reported_at = clock()
                tell(f"{said} …")
        return task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def broker_progress(supervisor: Supervisor) -> Progress:
    """Report the broker's start, by its CPU time: it reads a million commits in some seconds."""

    async def progress() -> str:
        seconds = cpu_seconds(supervisor.pids.get("broker", 0))
        return f"the broker does not answer yet ({seconds:.1f} s of work so far)"

    return progress


def services_progress(connection: Connection) -> Progress:
    """Report the read models' position, and which services do not take in work yet."""
    end = 0

    async def progress() -> str:
        nonlocal end
        try:
            end = max(end, await connection.log.end())
        except LogUnavailable:
            return "the broker does not answer"
        states = await ask_health(connection.client)
        waiting = ", ".join(state.service for state in states if not state.consuming)
        rows = f"the read models are at {connection.changes.position} of {end}"
        return rows + (f"; not ready: {waiting}" if waiting else "")

    return progress


async def all_ready(world: World, connection: Connection) -> None:
    """Return once all services take in work and the read models are at the log's present end."""
    end = await connection.log.end()
    async with httpx.AsyncClient(timeout=2.0, trust_env=False) as client:
        while not await _is_ready(client, world.local_url):
            await asyncio.sleep(POLL_SECONDS)
    await connection.changes.wait_for(end, float("inf"))


async def _is_ready(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(f"{url}/health/ready")).is_success
    except httpx.HTTPError:
        return False


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used; 0 where /proc does not show it."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
