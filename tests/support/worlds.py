"""A whole world in processes of its own, and a client that speaks to it."""

import asyncio
import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
from msgspec import structs
from sqlalchemy import func, select

from adapters.database import open_database
from adapters.dead_letters import DeadLetter
from adapters.settings import CommonSettings, load
from application.clock import now
from cli.connection import connected
from cli.world import World, free_port, prepare, read_world, service_environment
from contracts.subjects import dead_letter_subject
from read_models import jobs
from tests.support import commands
from tests.support.servers import (
    START_SECONDS,
    Process,
    folder,
    postgresql,
    wait_for_port,
    wait_until_ready,
)
from tests.support.waiting import eventually

ENDS = {"completed", "failed", "cancelled"}


class RunningWorld:
    """`darkroom up` on a folder. The simulator's switches are reached through `simulator`."""

    def __init__(self, path: Path, environment: dict[str, str], source: Path | None = None) -> None:
        self.path = path
        self.source = source  # Where the packages are taken from, if not from here.
        self.environment = {"SIMULATOR_SECONDS": "0.2", **environment}
        # It keeps the ports that it finds: these come from this worker's share.
        structs.replace(prepare(path, "127.0.0.1", 0), pid=0).save()
        self.process = self._up()
        self._await()

    @property
    def world(self) -> World:
        found = read_world(self.path)
        assert found is not None
        return found

    @property
    def url(self) -> str:
        return self.world.url

    def client(self, token: str | None = None) -> httpx.Client:
        token = token or self.world.tokens["user"]
        headers = {"Authorization": f"Token {token}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60.0)

    def simulator(self, method: str, path: str, body: Any = None) -> Any:
        url = f"https://{self.world.simulator_host}/simulator/{path}"
        answer = httpx.request(method, url, json=body, verify=self._tls(), timeout=60.0)
        return answer.raise_for_status().json()

    def fault(self, failure: str, times: int = 1) -> None:
        self.simulator("POST", "failures", {"failure": failure, "next": times})

    def cli(self, *arguments: str, check: bool = True) -> Any:
        """Run a command with --json; return its rows, or its one document."""
        as_json = () if "--json" in arguments else ("--json",)
        done = darkroom(self.path, *arguments, *as_json, **self.environment)
        if check:
            assert done.returncode == 0, done.stderr
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        return rows[0] if len(rows) == 1 else rows

    def is_at_rest(self) -> bool:
        """Whether every job has ended by the rows too. The provider may be done with one whose end
        is not in the log yet, and which would take what the next test means for its own.
        """
        return asyncio.run(self._open_jobs()) == 0

    async def _open_jobs(self) -> int:
        own = {"DATABASE_URL": "", "DARKROOM_DATA_DIR": str(self.path)} | self.environment
        rows = open_database(load(CommonSettings, own).database, read_only=True)
        wanted = select(func.count()).where(jobs.table.c.ended_at.is_(None))
        try:
            return int(await rows.read(lambda connection: connection.execute(wanted).scalar_one()))
        finally:
            await rows.close()

    def park(self, durable: str, sequence: int) -> None:
        """Park a commit as a handler that gave up would."""
        asyncio.run(self._park(durable, sequence))

    async def _park(self, durable: str, sequence: int) -> None:
        async with connected(self.path) as connection:
            told = DeadLetter(
                durable=durable, sequence=sequence, reason="a test", deliveries=6, at=now()
            )
            subject = dead_letter_subject(durable)
            await connection.client.request(subject, msgspec.json.encode(told))

    def new_account(self, account: str, amount: int) -> str:
        """Give an account credits and a token; return the token."""
        self.grant(account, amount)
        token = {"account": account, "role": "user"}
        with self.client(self.world.tokens["operator"]) as operator:
            issued = operator.post("/api/operator/tokens", json=token).raise_for_status()
        return str(issued.json()["token"])

    def grant(self, account: str, amount: int) -> None:
        """Give an account credits, and wait until they are shown: the answer comes with them."""
        given = {"amount": amount, "reason": "a test"}
        with self.client(self.world.tokens["operator"]) as operator:
            path = f"/api/operator/accounts/{account}/grant"
            operator.post(path, json=given).raise_for_status()

    def service_pid(self, service: str) -> int:
        command = ["pgrep", "-P", str(self.process.pid), "-f", service]

        def children() -> list[bytes]:
            return subprocess.run(command, capture_output=True, check=False).stdout.split()

        return int(eventually(children)[0])

    def stop(self, number: int = signal.SIGTERM) -> int:
        return self.process.stop(number, 90.0)  # A paid POST under way may take a minute.

    def restart(self) -> None:
        self.process = self._up()
        self._await()

    def _up(self) -> Process:
        command = [sys.executable, "-m", "cli", "up", "--data-dir", str(self.path), "--port", "0"]
        return Process(command, self.environment, self.path / "up.log", self.source)

    def _await(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            found = read_world(self.path)
            if found is not None and found.pid == self.process.pid and found.tokens:
                wait_until_ready(found.url)
                return
            time.sleep(0.05)
        raise TimeoutError((self.path / "up.log").read_text())

    def _tls(self) -> Any:
        return ssl.create_default_context(cafile=str(self.world.ca_bundle))


@contextmanager
def running_world(**environment: str) -> Iterator[RunningWorld]:
    """Run a world on SQLite, or on a PostgreSQL of its own if WORLDS_ON says so."""
    with world_on(os.environ.get("WORLDS_ON", "sqlite"), **environment) as world:
        yield world


@contextmanager
def world_on(database: str, **environment: str) -> Iterator[RunningWorld]:
    with _database(database) as where, world_of(None, where | environment) as world:
        yield world


@contextmanager
def _database(name: str) -> Iterator[dict[str, str]]:
    if name == "sqlite":
        yield {}
        return
    with postgresql() as url:
        yield {"DATABASE_URL": url, "PROVIDER": "simulator"}


@contextmanager
def world_of(source: Path | None, environment: dict[str, str]) -> Iterator[RunningWorld]:
    with folder() as path:
        world = RunningWorld(path, environment, source)
        try:
            yield world
        finally:
            world.stop()


@contextmanager
def second_api(world: RunningWorld) -> Iterator[str]:
    """Run one more api process beside the world's own; yield its URL."""
    with second_api_process(world) as (url, _):
        yield url


@contextmanager
def second_api_process(world: RunningWorld) -> Iterator[tuple[str, Process]]:
    port = free_port()
    environment = world.environment | service_environment(world.world, "api")
    environment |= {"DARKROOM_PORT": str(port), "METRICS_PORT": "", "SITE_URL": ""}
    api = Process([sys.executable, "-m", "services.api"], environment, world.path / "api2.log")
    try:
        wait_for_port(port)
        yield f"http://127.0.0.1:{port}", api
    finally:
        api.stop()


def create(client: httpx.Client, prompt: str = "coral reefs", **more: Any) -> str:
    """Request one infograph; return its id."""
    headers = more.pop("headers", {})
    body = {"prompt": prompt, **more}
    answer = client.post("/api/infographs/create/", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["infographs"][0]["id"])


def until_ended(client: httpx.Client, job: str, seconds: float = 60.0) -> dict[str, Any]:
    def ended() -> dict[str, Any] | None:
        document: dict[str, Any] = client.get(f"/api/jobs/{job}").json()
        return document if document.get("status") in ENDS else None

    document: dict[str, Any] = eventually(ended, seconds)
    return document


def darkroom(path: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the command line on the world in this folder, to its end."""
    return commands.run(
        *arguments, "--data-dir", str(path), environment={**os.environ, **environment}
    )
