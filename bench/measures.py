"""The measures: each takes a running world and returns rows of the table."""

import asyncio
import json
import secrets
import sqlite3
import ssl
import sys
import time
from pathlib import Path

from msgspec import Struct
from nats.js.api import StorageType, StreamConfig

from adapters.broker import connect
from adapters.settings import READ_MODELS_FILE
from bench.http import Connection, create, status_of
from bench.processes import Cost, cost_of, cpu_by_name
from cli.connection import connected
from cli.running import issue_token
from cli.world import World
from contracts.events.account import Role
from contracts.ids import account_id
from domain.account import GrantCredits

ACCOUNTS = 100
CONNECTIONS = 64
IDLE_SECONDS = 5.0
STEADY_RATE = 20
STEADY_SECONDS = 10
SIMULATED_SECONDS = 1.0


class Row(Struct, frozen=True):
    what: str
    value: str


async def open_accounts(world: World, *names: str) -> list[str]:
    """Give new accounts credits; return their tokens."""
    tokens = []
    async with connected(world.folder) as connection:
        for account in map(account_id, names):
            await connection.execute(account, GrantCredits(1_000_000, "bench"))
            tokens.append((await issue_token(connection, account, Role.USER))[1])
    return tokens


async def idle(pids: dict[str, int]) -> list[Row]:
    before = cost_of(list(pids.values()))
    await asyncio.sleep(IDLE_SECONDS)
    after = cost_of(list(pids.values()))
    share = (after.cpu_seconds - before.cpu_seconds) / IDLE_SECONDS * 100
    return [
        Row("memory on an empty log, all processes (RSS / PSS)", _memory(after)),
        Row("CPU while idle, all processes", f"{share:.1f} %"),
    ]


async def broker_limit(world: World) -> list[Row]:
    """Single publishes a second to a stream of its own, each flushed before it is acknowledged."""
    client = await connect(world.nats_url, "operator", world.passwords["operator"], "bench")
    jetstream = client.jetstream()
    name = f"BENCH{secrets.token_hex(4)}"
    subject = name.lower()
    config = StreamConfig(name=name, subjects=[f"{subject}.>"], storage=StorageType.FILE)
    await jetstream.add_stream(config)
    done = 0
    stop_at = time.perf_counter() + 3.0

    async def publish(number: int) -> None:
        nonlocal done
        while time.perf_counter() < stop_at:
            await client.request(f"{subject}.{number}", b"x" * 500, timeout=5)
            done += 1

    started_at = time.perf_counter()
    await asyncio.gather(*(publish(number) for number in range(CONNECTIONS)))
    rate = done / (time.perf_counter() - started_at)
    await jetstream.delete_stream(name)
    await client.close()
    return [Row("the broker alone: single publishes, fsync each, 64 at once", f"{rate:,.0f} /s")]


async def throughput(
    world: World, pids: dict[str, int], tokens: list[str], count: int
) -> list[Row]:
    """Jobs over 64 connections, first POST to the last one read as completed."""
    connections = [await Connection("127.0.0.1", world.port).open() for _ in range(CONNECTIONS)]
    numbers = iter(range(count))
    latencies: list[float] = []
    created: list[tuple[str, str]] = []

    async def post(connection: Connection) -> None:
        for number in numbers:
            token = tokens[number % len(tokens)]
            began_at = time.perf_counter()
            created.append((await create(connection, token, f"job {number}"), token))
            latencies.append(time.perf_counter() - began_at)

    done_before = _completed(world)
    before, cpu_before = cost_of(list(pids.values())), cpu_by_name(pids)
    started_at = time.perf_counter()
    await asyncio.gather(*(post(connection) for connection in connections))
    posted_at = time.perf_counter()
    while _completed(world) - done_before < count:
        await asyncio.sleep(0.02)
    completed_at = time.perf_counter()
    await _read_all(connections, created)
    ended_at = time.perf_counter()
    after, cpu_after = cost_of(list(pids.values())), cpu_by_name(pids)
    for connection in connections:
        connection.close()
    cpu = (after.cpu_seconds - before.cpu_seconds) / count * 1000
    shares = {name: (cpu_after[name] - cpu_before[name]) / count * 1000 for name in pids}
    return [
        Row("jobs end to end, 64 connections", f"{count / (completed_at - started_at):,.0f} /s"),
        Row("… with one GET a job after them", f"{count / (ended_at - started_at):,.0f} /s"),
        Row("POST accepted, 64 connections", f"{count / (posted_at - started_at):,.0f} /s"),
        Row("POST p50 / p99 at 64 connections", percentiles(latencies)),
        Row("CPU a job, all our processes and the broker, with its GET", f"{cpu:.2f} ms"),
        Row("… of which", ", ".join(f"{name} {ms:.2f}" for name, ms in shares.items())),
        Row("memory after the load (RSS / PSS)", _memory(after)),
    ]


async def steady(world: World, pids: dict[str, int], tokens: list[str]) -> list[Row]:
    """Twenty jobs a second: how soon a POST answers, how soon a webhook can be read."""
    latencies: list[float] = []
    read_at: dict[str, float] = {}

    async def one(number: int) -> None:
        connection = await Connection("127.0.0.1", world.port).open()
        token = tokens[number % len(tokens)]
        began_at = time.perf_counter()
        job = await create(connection, token, f"steady {number}")
        latencies.append(time.perf_counter() - began_at)
        await asyncio.sleep(SIMULATED_SECONDS * 0.98)
        pause = 0.0005
        while await status_of(connection, token, job) != "completed":
            await asyncio.sleep(pause)
            pause = min(pause * 1.1, 0.003)
        read_at[job] = time.time()
        connection.close()

    before = cost_of(list(pids.values()))
    tasks = []
    for number in range(STEADY_RATE * STEADY_SECONDS):
        tasks.append(asyncio.create_task(one(number)))
        await asyncio.sleep(1 / STEADY_RATE)
    await asyncio.gather(*tasks)
    after = cost_of(list(pids.values()))
    sent = await sent_at(world)
    delays = [read_at[job] - sent[job] for job in read_at]
    cpu = (after.cpu_seconds - before.cpu_seconds) / len(read_at) * 1000
    return [
        Row("POST p50 / p99 at 20 jobs a second", percentiles(latencies)),
        Row("webhook sent to status readable, p50 / p99, at 20 a second", percentiles(delays)),
        Row("CPU a job at 20 a second, with its polling", f"{cpu:.2f} ms"),
    ]


async def replay(world: World) -> list[Row]:
    """Project the whole log into empty read models, in a process of its own as a projector is."""
    command = [sys.executable, "-m", "bench.replay", world.data_dir]
    child = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await child.communicate()
    assert child.returncode == 0
    count, rate = output.decode().split()
    what = f"replay of {int(count):,} commits into empty read models"
    return [Row(what, f"{float(rate):,.0f} /s")]


async def simulate(world: World, seconds: float) -> None:
    """Tell the simulator how long a job takes from now on."""
    await _simulator(world, "POST", "seconds", json.dumps(seconds).encode())


async def sent_at(world: World) -> dict[str, float]:
    found: dict[str, float] = json.loads(await _simulator(world, "GET", "sent", b""))
    return found


async def _simulator(world: World, method: str, path: str, body: bytes) -> bytes:
    context = ssl.create_default_context(cafile=str(world.ca_bundle))
    host, port = world.simulator_host.split(":")
    reader, writer = await asyncio.open_connection(host, int(port), ssl=context)
    head = f"{method} /simulator/{path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n"
    head += "Content-Type: application/json\r\n"
    writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    answer = await reader.read()
    writer.close()
    return answer.partition(b"\r\n\r\n")[2]


async def _read_all(connections: list[Connection], created: list[tuple[str, str]]) -> None:
    jobs_left = iter(created)

    async def read(connection: Connection) -> None:
        for job, token in jobs_left:
            assert await status_of(connection, token, job) == "completed"

    await asyncio.gather(*(read(connection) for connection in connections))


def _completed(world: World) -> int:
    path = Path(world.data_dir) / READ_MODELS_FILE
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        (count,) = database.execute("select count(*) from jobs where status='completed'").fetchone()
    database.close()
    return int(count)


def percentiles(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    p50, p99 = (ordered[int(len(ordered) * share)] * 1000 for share in (0.5, 0.99))
    return f"{p50:.1f} / {p99:.1f} ms"


def _memory(cost: Cost) -> str:
    return f"{cost.rss_megabytes:,.0f} / {cost.pss_megabytes:,.0f} MB"
