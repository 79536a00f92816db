"""The measures of streams: how soon a change is seen, and what connected clients cost."""

import asyncio
import json
import socket
import statistics
import time
from collections.abc import Callable

from bench.http import Connection, create
from bench.measures import SIMULATED_SECONDS, Row, open_accounts, percentiles, sent_at, simulate
from bench.processes import cost_of
from cli.world import World

RATE = 50
SECONDS = 10
IDLE_CLIENTS = 2000
CLIENTS_OF_ONE = 1000
STALLED = 20
STALLED_JOBS = 150
STATUS_SECONDS = 4.0
STATUS_CONNECTIONS = 32


class Listener:
    """A client of server-sent events that only notes when each line of data came."""

    def __init__(self, world: World, token: str, hear: Callable[[bytes], None]) -> None:
        self._world, self._token, self._hear = world, token, hear
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> "Listener":
        reader, writer = await asyncio.open_connection("127.0.0.1", self._world.port, limit=2**20)
        head = f"GET /api/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Token {self._token}\r\n\r\n"
        writer.write(head.encode())
        status = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in status[:20], status
        self._reader, self._writer = reader, writer
        self._task = asyncio.create_task(self._listen(reader))
        return self

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            if line.startswith(b"data: "):
                self._hear(line)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
        if self._writer is not None:
            self._writer.close()


async def measure(world: World, pids: dict[str, int], tokens: list[str]) -> list[Row]:
    rows = await _status_rate(world, tokens)
    rows += await _latency(world, tokens)
    rows += await _crowd(world, pids, tokens)
    rows += await _stalled(world, pids)
    return rows


async def _status_rate(world: World, tokens: list[str]) -> list[Row]:
    """One finished job's status, asked for over kept connections of one api process."""
    job = await create(await Connection("127.0.0.1", world.port).open(), tokens[0], "status")
    await asyncio.sleep(SIMULATED_SECONDS + 1)
    connections = [
        await Connection("127.0.0.1", world.port).open() for _ in range(STATUS_CONNECTIONS)
    ]
    done = 0
    stop_at = time.perf_counter() + STATUS_SECONDS

    async def ask(connection: Connection) -> None:
        nonlocal done
        while time.perf_counter() < stop_at:
            status, _ = await connection.ask("GET", f"/api/infographs/status/{job}/", tokens[0])
            assert status == 200
            done += 1

    await asyncio.gather(*(ask(connection) for connection in connections))
    for connection in connections:
        connection.close()
    return [Row("status GET, one api process, 32 connections", f"{done / STATUS_SECONDS:,.0f} /s")]


async def _latency(world: World, tokens: list[str]) -> list[Row]:
    """Fifty jobs a second: from the webhook's sending to the frame that says completed."""
    await simulate(world, SIMULATED_SECONDS)
    heard_at: dict[str, float] = {}

    def hear(line: bytes) -> None:
        if b'"status":"completed"' in line:
            heard_at.setdefault(json.loads(line[6:])["id"], time.time())

    listeners = [await Listener(world, token, hear).open() for token in tokens]
    jobs = await _at_a_rate(world, tokens)
    while not jobs <= heard_at.keys():
        await asyncio.sleep(0.05)
    sent = await sent_at(world)
    for listener in listeners:
        await listener.close()
    delays = [heard_at[job] - sent[job] for job in jobs]
    return [
        Row("webhook sent to SSE frame, p50 / p99, at 50 a second", percentiles(delays)),
        Row("… a bare loopback round trip, p50", f"{await _loopback() * 1000:.2f} ms"),
    ]


async def _at_a_rate(world: World, tokens: list[str]) -> set[str]:
    """Create jobs at an even pace; return their ids."""
    jobs: set[str] = set()

    async def one(number: int) -> None:
        connection = await Connection("127.0.0.1", world.port).open()
        jobs.add(await create(connection, tokens[number % len(tokens)], f"stream {number}"))
        connection.close()

    tasks = []
    for number in range(RATE * SECONDS):
        tasks.append(asyncio.create_task(one(number)))
        await asyncio.sleep(1 / RATE)
    await asyncio.gather(*tasks)
    return jobs


async def _loopback() -> float:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    times = []
    for _ in range(500):
        began_at = time.perf_counter()
        writer.write(b"x")
        await reader.read(100)
        times.append(time.perf_counter() - began_at)
    writer.close()
    server.close()
    return statistics.median(times)


async def _crowd(world: World, pids: dict[str, int], tokens: list[str]) -> list[Row]:
    """Idle clients of many accounts, then many clients of one account and one change of it."""
    before = cost_of([pids["api"]]).rss_megabytes
    idle = [
        await Listener(world, tokens[number % len(tokens)], lambda _: None).open()
        for number in range(IDLE_CLIENTS)
    ]
    await asyncio.sleep(2)
    grown = cost_of([pids["api"]]).rss_megabytes - before
    for listener in idle:
        await listener.close()
    await asyncio.sleep(1)
    (token,) = await open_accounts(world, "crowd")
    heard: set[int] = set()

    def note(number: int) -> Callable[[bytes], None]:
        return lambda _: heard.add(number)

    crowd = [await Listener(world, token, note(each)).open() for each in range(CLIENTS_OF_ONE)]
    connection = await Connection("127.0.0.1", world.port).open()
    began_at = time.perf_counter()
    await create(connection, token, "for all")
    while len(heard) < CLIENTS_OF_ONE:
        await asyncio.sleep(0.005)
    took = time.perf_counter() - began_at
    await asyncio.sleep(3)
    for listener in crowd:
        await listener.close()
    connection.close()
    return [
        Row("memory of 2,000 idle SSE clients on one api process", f"{grown:.0f} MB"),
        Row(
            "POST sent to its frame at all of 1,000 clients of the account", f"{took * 1000:.0f} ms"
        ),
    ]


async def _stalled(world: World, pids: dict[str, int]) -> list[Row]:
    """Clients that connect and never read, while their account changes all the time."""
    (token,) = await open_accounts(world, "stalled")
    before = cost_of([pids["api"]]).rss_megabytes
    sockets = []
    for _ in range(STALLED):
        stalled = socket.create_connection(("127.0.0.1", world.port))
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        head = f"GET /api/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Token {token}\r\n\r\n"
        stalled.sendall(head.encode())
        sockets.append(stalled)
    connections = [await Connection("127.0.0.1", world.port).open() for _ in range(4)]

    async def work(connection: Connection, count: int) -> None:
        for number in range(count):
            await create(connection, token, f"stalled {number} " + "x" * 2000)

    await asyncio.gather(*(work(each, STALLED_JOBS // 4) for each in connections))
    await asyncio.sleep(SIMULATED_SECONDS + 2)
    grown = max(cost_of([pids["api"]]).rss_megabytes - before, 0) / STALLED
    for stalled in sockets:
        stalled.close()
    for connection in connections:
        connection.close()
    return [Row("memory of one reader that never reads", f"{grown * 1024:.0f} KB")]
