"""The embedded world: which processes it has, on which ports, with which environment."""

import errno
import json
import os
import secrets
import shutil
import socket
import sys
from pathlib import Path

import msgspec
from msgspec import Struct, structs

from adapters.settings import CommonSettings, load, write_secret
from cli.folder_lock import process_exists
from cli.service_settings import environment_of, surroundings
from domain.addresses import in_url

USERS = ("operator", "api", "dispatcher", "ingestor", "projector")
PORTS = ("nats", "ingestor", "simulator", *(f"{name}_metrics" for name in USERS[1:]))
PERMISSIONS = Path(__file__).parent.parent / "deploy" / "broker"
WORLD_FILE = "world.json"
PORT_FIRST, PORT_COUNT = 15_000, 15_000
SIMULATOR_KEY = "simulator:no-money"
ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where it listens, not a default.
# Go's collector runs when garbage reaches half of the live memory; by default, when it equals it.
# Not a limit in bytes: every log outgrows one, and then the broker does nothing but collect
# garbage (bench/broker_memory.py).
BROKER_GARBAGE_PERCENT = "50"


class PortTaken(Exception):
    """Another process listens where the front door should be."""


class NoWorld(Exception):
    """No world runs where the command looks for one."""


class World(Struct, kw_only=True):
    """What a running world writes down, so that commands find it. The file is private (0600)."""

    data_dir: str
    host: str
    port: int
    ports: dict[str, int]
    passwords: dict[str, str]
    provider: str
    own_broker: bool = True
    pid: int = 0
    tokens: dict[str, str] = {}
    nats_url_given: str = ""

    @property
    def folder(self) -> Path:
        return Path(self.data_dir)

    @property
    def url(self) -> str:
        return f"http://{in_url(self.host)}:{self.port}"

    @property
    def local_url(self) -> str:
        """The front door's address on this machine, also when it listens on every address."""
        return f"http://{in_url(ANY_ADDRESS.get(self.host, self.host))}:{self.port}"

    @property
    def is_running(self) -> bool:
        """Whether the process that runs it exists: one that was killed left its pid behind."""
        return self.pid != 0 and process_exists(self.pid)

    @property
    def nats_url(self) -> str:
        return self.nats_url_given or f"nats://127.0.0.1:{self.ports['nats']}"

    @property
    def ingestor_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['ingestor']}"

    @property
    def simulator_host(self) -> str:
        return f"127.0.0.1:{self.ports['simulator']}"

    @property
    def ca_bundle(self) -> Path:
        return self.folder / "simulator" / "bundle.pem"

    def save(self) -> None:
        write_secret(self.folder / WORLD_FILE, msgspec.json.encode(self).decode())


def read_world(data_dir: Path) -> World | None:
    try:
        return msgspec.json.decode((data_dir / WORLD_FILE).read_bytes(), type=World)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def running_world(data_dir: Path, setting: str) -> World:
    """Return the world running in a folder; raise NoWorld, naming the setting to use instead."""
    world = read_world(data_dir)
    if world is None or not world.is_running:
        raise NoWorld(
            f"no world is running in {data_dir.absolute()}: start one with `darkroom up`, name "
            f"another folder with --data-dir, or set {setting}"
        )
    return world


def prepare(data_dir: Path, host: str, port: int) -> World:
    """Return the folder's world, with its earlier passwords and free ports. Raise PortTaken."""
    settings = load(CommonSettings)
    passwords = {user: secrets.token_hex(24) for user in USERS}
    fresh = World(data_dir="", host="", port=0, ports={}, passwords=passwords, provider="")
    earlier = read_world(data_dir) or fresh
    if port == 0:
        port = earlier.port if earlier.port and is_free(earlier.port, host) else free_port()
    elif not is_free(port, host):
        raise PortTaken(
            f"port {port} is taken: stop what listens there, or choose another with --port"
        )
    return structs.replace(
        earlier,
        data_dir=str(data_dir.resolve()),
        host=host,
        port=port,
        ports=_ports(earlier.ports, port),
        provider=settings.provider or ("fal" if settings.provider_key else "simulator"),
        own_broker=not settings.nats_url,
        pid=os.getpid(),
        nats_url_given=settings.nats_url,
    )


def _ports(earlier: dict[str, int], front_door: int) -> dict[str, int]:
    """Return a port for each purpose, no two the same: the earlier one where it is still free."""
    ports: dict[str, int] = {}
    for name in PORTS:
        port = earlier.get(name, front_door)
        while port in {front_door, *ports.values()} or not is_free(port):
            port = free_port()
        ports[name] = port
    return ports


def broker_command(world: World) -> tuple[list[str], dict[str, str]]:
    """Return the command line and the environment of the world's own nats-server."""
    store = world.folder / "broker"
    environment = surroundings() | {
        f"DARKROOM_{user.upper()}_PASSWORD": _quoted(world.passwords[user]) for user in USERS
    }
    environment |= {
        "DARKROOM_NATS_PORT": str(world.ports["nats"]),
        "DARKROOM_NATS_STORE": _quoted(str(store)),
        "GOGC": BROKER_GARBAGE_PERCENT,
    }
    command = [broker_program() or "nats-server", "-c", str(PERMISSIONS / "embedded.conf")]
    return command, environment


def broker_program() -> str | None:
    """Return the path of the nats-server that was installed with us, or else of any other one."""
    beside = Path(sys.executable).with_name("nats-server")
    return str(beside) if beside.exists() else shutil.which("nats-server")


def _quoted(text: str) -> str:
    """Quote a value: nats-server parses it, where `4e7` is a number and a space ends a path."""
    return json.dumps(text, ensure_ascii=False)


def service_environment(world: World, service: str) -> dict[str, str]:
    """Return the whole environment of one service. What the operator set takes precedence."""
    site_url = os.environ.get("SITE_URL")
    environment = environment_of(service) | {
        "DARKROOM_DATA_DIR": world.data_dir,
        "DARKROOM_HOST": world.host,
        "DARKROOM_PORT": str(world.port),
        "NATS_URL": world.nats_url,
        "INGESTOR_URL": world.ingestor_url,
        "INGESTOR_PORT": str(world.ports["ingestor"]),
        "SITE_URL": site_url or world.url,
        "WEBHOOK_BASE_URL": os.environ.get("WEBHOOK_BASE_URL") or site_url or world.ingestor_url,
        "METRICS_PORT": str(world.ports[f"{service}_metrics"]),
        "PROVIDER": world.provider,
    }
    if world.own_broker:
        environment |= {"NATS_USER": service, "NATS_PASSWORD": world.passwords[service]}
    if world.provider == "simulator":
        environment |= _simulator_environment(world)
    return environment


def simulator_environment(world: World) -> dict[str, str]:
    return environment_of("simulator") | {
        "SIMULATOR_PORT": str(world.ports["simulator"]),
        "SIMULATOR_DIR": str(world.folder / "simulator"),
    }


def _simulator_environment(world: World) -> dict[str, str]:
    host = world.simulator_host
    allowed = os.environ.get("SOURCE_HOSTS_ALLOWED", "")
    return {
        "FAL_KEY": SIMULATOR_KEY,
        "FAL_QUEUE_RUN_HOST": host,
        "FAL_PLATFORM_URL": f"https://{host}/v1",
        "FAL_JWKS_URL": f"https://{host}/.well-known/jwks.json",
        "FAL_MEDIA_HOSTS": host,
        "SOURCE_HOSTS_ALLOWED": ",".join(filter(None, (allowed, host))),
        "SSL_CERT_FILE": str(world.ca_bundle),
    }


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether the port is free; raise PortTaken for a host on which no port can be listened on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            reason = f"cannot listen on {host}:{port}: {error.strerror}"
            raise PortTaken(f"DARKROOM_HOST: {reason}") from None
    return True


def free_port() -> int:
    """Return a free port below the range from which outgoing connections take theirs."""
    while not is_free(port := PORT_FIRST + secrets.randbelow(PORT_COUNT)):
        continue
    return port
