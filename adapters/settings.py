"""Settings: read from the environment and a `.env` file, checked once, at the start."""

import contextlib
import os
import secrets
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec
from dotenv import load_dotenv
from msgspec import Struct

from adapters.storage import FileStorage, S3Storage, Storage

# At import, because fal's client reads its host when it is imported. The environment wins.
load_dotenv(".env")

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
READ_MODELS_FILE = "read-models.v2.sqlite3"


class BadSetting(ValueError):
    """A setting has a value that cannot be used. The message names it."""


class CommonSettings(Struct, frozen=True, kw_only=True):
    """What every service reads. A field is the environment variable of the same name."""

    darkroom_data_dir: str = ".darkroom"
    darkroom_master_key: str = ""
    nats_url: str = ""
    nats_user: str | None = None
    nats_password: str | None = None
    database_url: str = ""
    storage_url: str = ""
    s3_endpoint_url: str | None = None
    aws_access_key_id: str | None = None
    aws_secret_access_key: str | None = None
    s3_public_url: str | None = None
    fal_key: str = ""
    fal_ai_api_key: str = ""
    fal_webhooks: str = "signed"
    provider: str = ""
    source_hosts_allowed: str = ""
    log_level: str = "info"
    log_format: str = "auto"
    metrics_port: int = 0
    connections_max: int = 8000
    connections_per_address_max: int = 4000
    clock_skew_seconds: str = ""

    @property
    def data_dir(self) -> Path:
        return Path(self.darkroom_data_dir).resolve()

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.data_dir / READ_MODELS_FILE}"

    @property
    def provider_key(self) -> str:
        return self.fal_key or self.fal_ai_api_key

    @property
    def provider_name(self) -> str:
        return self.provider or "fal"

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """Private addresses that may be reached all the same, as `host:port`."""
        hosts = (host.strip() for host in self.source_hosts_allowed.split(","))
        return frozenset(host for host in hosts if host)

    def master_key(self) -> bytes:
        """Return the 32 bytes that wrap the accounts' keys, made at the first start."""
        if self.darkroom_master_key:
            return _key_bytes(self.darkroom_master_key)
        path = self.data_dir / "master.key"
        if not path.exists():
            write_secret_once(path, secrets.token_hex(32))
        return _key_bytes(path.read_text())

    def storage(self) -> Storage:
        if not self.storage_url:
            return FileStorage(self.data_dir / "storage")
        return S3Storage(
            self.storage_url,
            endpoint_url=self.s3_endpoint_url,
            access_key_id=self.aws_access_key_id,
            secret_access_key=self.aws_secret_access_key,
            public_url=self.s3_public_url,
        )

    def skew_of(self, service: str) -> float:
        """Return how wrong this service's clock shall be (`api=-60,dispatcher=120`), for tests of
        just that; refused outside an embedded world.
        """
        if not self.clock_skew_seconds:
            return 0.0
        if self.provider != "simulator" or not is_loopback(self.nats_url):
            msg = "CLOCK_SKEW_SECONDS: only in an embedded world with the simulator"
            raise BadSetting(msg)
        try:
            skews = dict(pair.split("=") for pair in self.clock_skew_seconds.split(","))
            return float(skews.get(service, 0))
        except ValueError:
            msg = "CLOCK_SKEW_SECONDS: must be service=seconds, separated by commas"
            raise BadSetting(msg) from None

    def require_broker(self) -> None:
        if not self.nats_url:
            msg = "NATS_URL is not set: start the whole world with `darkroom up`"
            raise BadSetting(msg)


AnySettings = TypeVar("AnySettings", bound=CommonSettings)


def load(kind: type[AnySettings]) -> AnySettings:
    """Read the settings of one service; raise BadSetting. An empty value counts as unset."""
    values = {
        name: value for name in kind.__struct_fields__ if (value := os.environ.get(name.upper()))
    }
    try:
        settings = msgspec.convert(values, kind, strict=False)
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `$.")
        msg = f"{path.strip('`').upper()}: {text}"
        raise BadSetting(msg) from None
    if settings.fal_webhooks not in {"signed", "off", "unsigned"}:
        msg = "FAL_WEBHOOKS: must be signed, off or unsigned"
        raise BadSetting(msg)
    return settings


def is_loopback(url: str) -> bool:
    return (urlsplit(url).hostname or "") in LOOPBACK


def write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    temporary.replace(path)


def write_secret_once(path: Path, text: str) -> None:
    """As `write_secret`, but what is there stays: of several processes at their first start one
    makes the secret, and all read the same.
    """
    mine = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    write_secret(mine, text)
    with contextlib.suppress(FileExistsError):
        os.link(mine, path)
    mine.unlink()


def _key_bytes(text: str) -> bytes:
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) != 32:  # noqa: PLR2004 - AES-256.
        msg = "DARKROOM_MASTER_KEY: must be 64 hexadecimal digits"
        raise BadSetting(msg)
    return key
