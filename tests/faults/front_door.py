"""Runs against the front door: what one client does to it, and what the others feel."""

import asyncio
import contextlib
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from msgspec import Struct

from bench.http import Connection
from tests.faults.real_runs import Result
from tests.support.worlds import RunningWorld

OTHERS = 8
SLOW_SOURCE = "127.0.0.2"  # Another address, as other clients have; one proxy has only one.


class Felt(Struct, frozen=True):
    """What other clients felt meanwhile, and how much memory the api took more at its most."""

    p99_ms: float
    memory_megabytes: float
    ended: int  # Of the connections that were slow or had too much to say.
    asked: int


def besiege(world: RunningWorld, connections: int, megabytes: int) -> Result:
    """A thousand connections whose requests never end, each dripping, and heaps of headers."""
    began_at = time.monotonic()
    felt = feel(world, connections, megabytes, 20)
    assert felt.p99_ms < 200, felt
    assert felt.memory_megabytes < 100, felt
    assert felt.ended == connections + megabytes + 1, felt
    note = f"others' p99 {felt.p99_ms:.0f} ms, memory +{felt.memory_megabytes:.0f} MB"
    what = f"{connections:,} slow connections and {megabytes} MB of headers"
    return Result(what, 0, note, time.monotonic() - began_at)


def feel(world: RunningWorld, connections: int, megabytes: int, asked_each: int) -> Felt:
    """Besiege from a process of its own: what it takes is not what the others feel."""
    api, port, token = (
        world.service_pid("services.api"),
        world.world.port,
        world.world.tokens["user"],
    )
    asyncio.run(_ask(port, token, 10))  # What a first request loads is not counted.
    before = most = memory_of(api)
    taken: list[float] = []
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        siege = pool.submit(_run, port, token, connections, megabytes)
        while not siege.done():
            taken += asyncio.run(_ask(port, token, asked_each))
            most = max(most, memory_of(api))
        refused = siege.result()
    return Felt(sorted(taken)[int(len(taken) * 0.99)], most - before, refused, len(taken))


def _run(port: int, token: str, connections: int, megabytes: int) -> int:
    return asyncio.run(_besiege(port, token, connections, megabytes))


async def _besiege(port: int, token: str, connections: int, megabytes: int) -> int:
    """Return how many were ended: the slow ones, the large ones, and one that is all of it."""
    slow = [_drip(port, token, number) for number in range(connections)]
    heads = [_send_heads(port, 1) for _ in range(megabytes)]
    return sum(await asyncio.gather(*slow, *heads, _send_heads(port, megabytes)))


async def _drip(port: int, token: str, number: int) -> bool:
    """Send headers for ever, or every other one a body; return whether it was ended."""
    opened = asyncio.open_connection("127.0.0.1", port, local_addr=(SLOW_SOURCE, 0))
    reader, writer = await opened
    has_body = bool(number % 2)
    head = f"POST /api/jobs HTTP/1.1\r\nAuthorization: Token {token}\r\n"
    length = "Content-Type: application/json\r\nContent-Length: 9999\r\n\r\n" if has_body else ""
    writer.write((head + length).encode())
    ended = asyncio.create_task(reader.read())
    while not ended.done():
        with contextlib.suppress(ConnectionError):
            writer.write(b" " if has_body else b"X-Drop: 1\r\n")
            await writer.drain()
        await asyncio.wait({ended}, timeout=1)
    writer.transport.abort()
    return ended.exception() is not None or b" 201 " not in ended.result()


async def _send_heads(port: int, megabytes: int) -> bool:
    """Send so much of headers in one request; return whether it was refused."""
    opened = asyncio.open_connection("127.0.0.1", port, local_addr=(SLOW_SOURCE, 0))
    reader, writer = await opened
    line = b"X-Much: " + b"y" * 1014 + b"\r\n"
    answer = b""
    with contextlib.suppress(ConnectionError):
        writer.write(b"GET /api/jobs HTTP/1.1\r\n")
        for _ in range(megabytes * 16):
            writer.write(line * 64)
            await writer.drain()
        answer = await reader.read()
    writer.close()
    return b" 200 " not in answer


async def _ask(port: int, token: str, count: int) -> list[float]:
    """Ask as others do, over kept connections; return how many milliseconds each took."""
    taken: list[float] = []

    async def one() -> None:
        connection = await Connection("127.0.0.1", port).open()
        for _ in range(count):
            began_at = time.perf_counter()
            status, _ = await connection.ask("GET", "/api/credits", token)
            taken.append((time.perf_counter() - began_at) * 1000)
            assert status == 200
            await asyncio.sleep(0.05)
        connection.close()

    await asyncio.gather(*(one() for _ in range(OTHERS)))
    return taken


def memory_of(pid: int) -> float:
    """Return the resident memory of a process, in megabytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(pid)
