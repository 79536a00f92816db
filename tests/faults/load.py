"""Load on a world of real processes, and the check from outside once it has come to rest."""

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Self, TypeVar

import httpx
from sqlalchemy import Connection, create_engine

from adapters.settings import READ_MODELS_FILE
from cli.connection import connected
from contracts.ids import JobId
from tests.faults.invariants import Witness, check
from tests.support.worlds import RunningWorld

T = TypeVar("T")


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
    raise TimeoutError(f"{key} was never answered")


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
        await connection.changes.wait_for(await connection.log.end(), 60)
        await check(witness)
    rows.close()
