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
from msgspec import Struct

from adapters.settings import CommonSettings, in_url, load, write_secret
from cli.service_settings import environment_of, surroundings

USERS = ("operator", "api", "dispatcher", "ingestor", "projector")
PORTS = ("nats", "ingestor", "simulator", *(f"{name}_metrics" for name in USERS[1:]))
PERMISSIONS = Path(__file__).parent.parent / "deploy" / "broker"
WORLD_FILE = "world.json"
PORT_FIRST, PORT_COUNT = 15_000, 15_000
SIMULATOR_KEY = "simulator:no-money"
ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where it listens, not a default.
# Go's collector lets garbage grow to half of what lives, not as much again. Not a limit in bytes:
# a log outgrows each, and then the broker does nothing but collect (bench/broker_memory.py).
BROKER_GARBAGE_PERCENT = "50"


class PortTaken(Exception):
    """Somebody else listens where the front door should be."""


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
        """Where we ourselves reach the front door, also when it listens on every address."""
        return f"http://{in_url(ANY_ADDRESS.get(self.host, self.host))}:{self.port}"

    @property
    def is_running(self) -> bool:
        """Whether the process that runs it is there; one that was killed could not say goodbye."""
        if self.pid == 0:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True

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


def prepare(data_dir: Path, host: str, port: int) -> World:
    """Return the folder's world, new or as it was: ports and passwords are kept if they can be.

    `port` 0 means any free one. Raise PortTaken.
    """
    settings = load(CommonSettings)
    known = read_world(data_dir)
    if port == 0:
        port = known.port if known is not None and is_free(known.port, host) else free_port()
    elif not is_free(port, host):
        raise PortTaken(
            f"port {port} is taken: stop what listens there, or choose another with --port"
        )
    kept = known.ports if known is not None else {}
    ports = {
        name: kept[name] if name in kept and is_free(kept[name]) else free_port() for name in PORTS
    }
    return World(
        data_dir=str(data_dir.resolve()),
        host=host,
        port=port,
        ports=ports,
        passwords=known.passwords if known else {each: _password() for each in USERS},
        provider=settings.provider or ("fal" if settings.provider_key else "simulator"),
        own_broker=not settings.nats_url,
        pid=os.getpid(),
        tokens=known.tokens if known is not None else {},
        nats_url_given=settings.nats_url,
    )


def broker_command(world: World) -> tuple[list[str], dict[str, str]]:
    """Return the command line and the environment of the world's own nats-server."""
    beside = Path(sys.executable).with_name("nats-server")
    program = str(beside) if beside.exists() else shutil.which("nats-server") or "nats-server"
    store = world.folder / "broker"
    environment = surroundings() | {
        f"DARKROOM_{user.upper()}_PASSWORD": _quoted(world.passwords[user]) for user in USERS
    }
    environment |= {
        "DARKROOM_NATS_PORT": str(world.ports["nats"]),
        "DARKROOM_NATS_STORE": _quoted(str(store)),
        "GOGC": BROKER_GARBAGE_PERCENT,
    }
    return [program, "-c", str(PERMISSIONS / "embedded.conf")], environment


def _quoted(text: str) -> str:
    """nats-server reads what stands behind a variable as configuration: `4e7` would be a number,
    and a path would end at its first space.
    """
    return json.dumps(text, ensure_ascii=False)


def service_environment(world: World, service: str) -> dict[str, str]:
    """Return the whole environment of one service; what the operator set wins."""
    told = environment_of(service) | {
        "DARKROOM_DATA_DIR": world.data_dir,
        "DARKROOM_HOST": world.host,
        "DARKROOM_PORT": str(world.port),
        "NATS_URL": world.nats_url,
        "INGESTOR_URL": world.ingestor_url,
        "INGESTOR_PORT": str(world.ports["ingestor"]),
        "SITE_URL": os.environ.get("SITE_URL") or world.url,
        "WEBHOOK_BASE_URL": os.environ.get("WEBHOOK_BASE_URL") or _webhook_base(world),
        "METRICS_PORT": str(world.ports[f"{service}_metrics"]),
        "PROVIDER": world.provider,
    }
    if world.own_broker:
        told |= {"NATS_USER": service, "NATS_PASSWORD": world.passwords[service]}
    if world.provider == "simulator":
        told |= _simulator_environment(world)
    return told


def simulator_environment(world: World) -> dict[str, str]:
    return environment_of("simulator") | {
        "SIMULATOR_PORT": str(world.ports["simulator"]),
        "SIMULATOR_DIR": str(world.folder / "simulator"),
    }


def _webhook_base(world: World) -> str:
    return os.environ.get("SITE_URL") or world.ingestor_url


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


def _password() -> str:
    return secrets.token_hex(24)


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Say whether one can listen there; raise PortTaken where nobody can, whatever the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise PortTaken(
                f"DARKROOM_HOST: cannot listen on {host}:{port}: {error.strerror}"
            ) from None
    return True


def free_port() -> int:
    """Return a free port below the range that outgoing connections take theirs from."""
    while not is_free(port := PORT_FIRST + secrets.randbelow(PORT_COUNT)):
        continue
    return port
