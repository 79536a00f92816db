"""Runs against real processes: what is broken, under which load, and what has to hold after it."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, Self, TypeVar

import httpx
from msgspec import Struct
from sqlalchemy import Connection, create_engine

from adapters.settings import READ_MODELS_FILE
from cli.connection import connected
from contracts.ids import JobId
from tests.faults.invariants import Witness, check
from tests.support.worlds import RunningWorld, eventually

T = TypeVar("T")
SERVICES = ("services.api", "services.dispatcher", "services.ingestor", "services.projector")
SETTINGS = {
    "RECONCILE_AFTER_SECONDS": "5",
    "RECONCILE_EVERY_SECONDS": "2",
    "SUBMIT_UNKNOWN_SECONDS": "15",
    "ARTIFACTS": "link",
    "ACCOUNT_REQUESTS_PER_MINUTE": "1000000",
    "ACCOUNT_JOBS_IN_FLIGHT_MAX": "1000000",
}


class Result(Struct, frozen=True):
    """One row of the table."""

    fault: str
    jobs: int
    note: str
    seconds_to_recover: float


class SqliteRows:
    def __init__(self, world: RunningWorld) -> None:
        path = world.path / READ_MODELS_FILE
        self._engine = create_engine(f"sqlite:///file:{path}?mode=ro&uri=true")

    def now(self, work: Callable[[Connection], T]) -> T:
        with self._engine.connect() as connection:
            return work(connection)

    def close(self) -> None:
        self._engine.dispose()


class Load:
    """Clients that create jobs and repeat under the same key until they are answered."""

    def __init__(self, world: RunningWorld, clients: int = 4) -> None:
        self.accepted: set[JobId] = set()
        self._world = world
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._create, args=(number,)) for number in range(clients)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _create(self, number: int) -> None:
        with self._world.client() as client:
            count = 0
            while not self._stop.is_set():
                count += 1
                self.accepted.add(request(client, f"load-{number}-{count}"))
                time.sleep(0.15)


def request(client: httpx.Client, key: str, seconds: float = 90.0) -> JobId:
    """Create one job; repeat under its key while the outcome is not known."""
    headers = {"Idempotency-Key": key, "Prefer": "respond-async"}
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(httpx.HTTPError):
            answer = client.post("/api/infographs/create/", json={"prompt": key}, headers=headers)
            if answer.status_code == 201:
                return JobId(answer.json()["infographs"][0]["id"])
            assert answer.status_code in {409, 503}, answer.text
        time.sleep(0.2)
    msg = f"{key} was never answered"
    raise TimeoutError(msg)


def settle_and_check(world: RunningWorld, accepted: set[JobId], seconds: float = 60.0) -> float:
    """Wait until everything has ended, check the invariants; return how long it took."""
    began_at = time.monotonic()
    asyncio.run(_settle_and_check(world, accepted, seconds))
    return time.monotonic() - began_at


async def _settle_and_check(world: RunningWorld, accepted: set[JobId], seconds: float) -> None:
    rows = SqliteRows(world)
    posts = {JobId(job): count for job, count in world.simulator("GET", "posts").items()}
    async with connected(world.path) as connection:
        witness = Witness(connection.log, rows, posts, accepted)
        async with asyncio.timeout(seconds):
            while not await witness.all_ended():
                await asyncio.sleep(0.5)
        await asyncio.sleep(2.0)  # Late evidence and the projector come to rest.
        await connection.changes.wait_for(await connection.log.end(), 10)
        await check(witness)
    rows.close()


def kill_services(world: RunningWorld, seconds: float) -> Result:
    """Kill -9 of one service after the other, one every two seconds, under load."""
    kills = 0
    with Load(world) as load:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            time.sleep(2)
            os.kill(world.service_pid(SERVICES[kills % len(SERVICES)]), signal.SIGKILL)
            kills += 1
    took = settle_and_check(world, load.accepted)
    return Result("kill -9 of every service in turn", len(load.accepted), f"{kills} kills", took)


def kill_broker(world: RunningWorld, times: int) -> Result:
    """Kill -9 of the broker under load: what was acknowledged is there."""
    with Load(world) as load:
        for _ in range(times):
            time.sleep(3)
            os.kill(world.service_pid("nats-server"), signal.SIGKILL)
        time.sleep(3)
    took = settle_and_check(world, load.accepted, 90)
    return Result("kill -9 of the broker", len(load.accepted), f"{times} kills", took)


def lose_replies(world: RunningWorld, count: int) -> Result:
    """Each POST is taken and its reply lost: one POST a job, one charge a user."""
    world.fault("submit", "lose_reply", times=count)
    with world.client() as client, ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(lambda n: request(client, f"lost-{n}"), range(count)))
    took = settle_and_check(world, ids, 120)
    posts = world.simulator("GET", "posts")
    assert all(posts[job] == 1 for job in ids), "a job was posted twice"
    return Result("the reply to every POST is lost", count, f"{count} POSTs, 1 a job", took)


def lock_database(world: RunningWorld, seconds: float) -> Result:
    """Somebody else holds the read models' write lock: the log goes on, the rows catch up."""
    with Load(world) as load:
        time.sleep(1)
        with _locked(world):
            time.sleep(seconds)
        time.sleep(1)
    took = settle_and_check(world, load.accepted)
    return Result("the database is locked", len(load.accepted), f"for {seconds:g} s", took)


@contextmanager
def _locked(world: RunningWorld) -> Any:
    engine = create_engine(
        f"sqlite:///{world.path / READ_MODELS_FILE}", connect_args={"timeout": 10}
    )
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.isolation_level = None
        driver.execute("BEGIN IMMEDIATE")
        yield
        driver.execute("ROLLBACK")
    engine.dispose()


def drown_in_webhooks(world: RunningWorld, count: int) -> Result:
    """Duplicates, forgeries, stale and unusable deliveries, and some that never come."""
    modes = ("duplicate", "bad_signature", "stale", "never", "null_payload", "altered")
    for number in range(count):
        world.fault("webhook", modes[number % len(modes)])
    with world.client() as client:
        ids = {request(client, f"chaos-{number}") for number in range(count)}
    took = settle_and_check(world, ids, 90)
    return Result("webhooks in every bad shape", count, ", ".join(modes), took)


def grant_plenty(world: RunningWorld) -> None:
    world.cli("credits", "grant", "--account", "demo", "--amount", "100000", "--reason", "faults")
    eventually(lambda: world.cli("credits", "show", "--account", "demo")["available"] > 1000)
