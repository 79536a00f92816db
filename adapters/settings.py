"""Settings: read from the environment and a `.env` file, checked once, at the start."""

import contextlib
import ipaddress
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_type_hints
from urllib.parse import urlsplit

from dotenv import load_dotenv
from msgspec import Struct

from adapters import setting_types as setting
from adapters.files import FileStorage
from adapters.s3 import S3Storage
from adapters.setting_names import misspelt
from adapters.storage import Storage
from domain.addresses import in_url

ENV_FILE = os.environ.get("DARKROOM_ENV_FILE", ".env")
# At import, because fal's client reads its host when it is imported. The environment wins.
_unread = ""
if ENV_FILE:
    try:
        load_dotenv(ENV_FILE)
    except (OSError, UnicodeDecodeError) as error:
        _unread = f"{ENV_FILE}: cannot be read: {error}"

READ_MODELS_FILE = "read-models.v3.sqlite3"


class BadSetting(ValueError):
    """Names or values of settings cannot be used: the message has a line for each."""


class Settings(Struct, frozen=True, kw_only=True):
    """What one process reads. A field is the environment variable of the same name."""

    def problems(self) -> Iterator[str]:
        """Yield a line for each setting that does not go with another."""
        yield from ()


class CommonSettings(Settings, frozen=True, kw_only=True):
    """What every service reads."""

    darkroom_data_dir: setting.Folder = ".darkroom"
    darkroom_host: setting.Host = "127.0.0.1"
    darkroom_port: setting.Port = 8000
    darkroom_master_key: setting.MasterKey = ""
    site_url: setting.Origin = ""
    webhook_base_url: setting.Origin = ""
    nats_url: setting.BrokerUrl = ""
    nats_user: str | None = None
    nats_password: str | None = None
    database_url: setting.DatabaseUrl = ""
    storage_url: setting.StorageUrl = ""
    s3_endpoint_url: setting.WebUrl | None = None
    aws_access_key_id: str | None = None
    aws_secret_access_key: str | None = None
    s3_public_url: setting.WebUrl | None = None
    fal_key: str = ""
    fal_ai_api_key: str = ""
    fal_webhooks: setting.Webhooks = "auto"
    provider: setting.Provider = ""
    log_level: setting.LogLevel = "info"
    log_format: setting.LogFormat = "auto"
    metrics_port: setting.Port = 0
    connections_max: setting.Count = 8000
    connections_per_address_max: setting.Limit = 4000  # 0: none.

    @property
    def data_dir(self) -> Path:
        return Path(self.darkroom_data_dir).resolve()

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.data_dir / READ_MODELS_FILE}"

    @property
    def origin(self) -> str:
        """The public origin, without a slash at the end."""
        own = f"http://{in_url(self.darkroom_host)}:{self.darkroom_port}"
        return (self.site_url or own).rstrip("/")

    @property
    def webhook_origin(self) -> str:
        """What webhook URLs are built on, without a slash at the end."""
        return (self.webhook_base_url or self.origin).rstrip("/")

    @property
    def asks_for_webhooks(self) -> bool:
        """Tell whether the provider is given webhook URLs. A real one reaches no loopback address,
        unless `signed` says that there is a way.
        """
        if self.fal_webhooks in {"off", "signed"}:
            return self.fal_webhooks == "signed"
        return self.provider == "simulator" or not is_loopback(self.webhook_origin)

    @property
    def provider_key(self) -> str:
        return self.fal_key or self.fal_ai_api_key

    @property
    def provider_name(self) -> str:
        return self.provider or "fal"

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
            self.s3_public_url,
            endpoint_url=self.s3_endpoint_url,
            aws_access_key_id=self.aws_access_key_id,
            aws_secret_access_key=self.aws_secret_access_key,
        )

    def problems(self) -> Iterator[str]:
        if self.origin.startswith("http://") and not is_loopback(self.origin):
            yield (
                "SITE_URL: must be https for a host that is not loopback"
                if self.site_url
                else f"SITE_URL: has to be set when DARKROOM_HOST is {self.darkroom_host}: the"
                " origin by which people and the provider reach it, as https://darkroom.example"
            )
        if self.fal_webhooks == "unsigned" and not (
            is_loopback_host(self.darkroom_host) and is_loopback(self.origin)
        ):
            yield "FAL_WEBHOOKS: unsigned only where DARKROOM_HOST and SITE_URL are loopback"

    def require_broker(self) -> None:
        if not self.nats_url:
            raise BadSetting("NATS_URL is not set: start the whole world with `darkroom up`")

    def require_provider(self) -> None:
        if not self.provider_key and self.provider != "simulator":
            raise BadSetting("FAL_KEY is not set: set it, or say PROVIDER=simulator")


AnySettings = TypeVar("AnySettings", bound=Settings)


def load(kind: type[AnySettings], environment: Mapping[str, str] | None = None) -> AnySettings:
    """Read one service's settings, from the process's environment if no other is given. Raise
    BadSetting with a line for each that is wrong. An empty value counts as unset.
    """
    environment = os.environ if environment is None else environment
    types = get_type_hints(kind, include_extras=True)
    values: dict[str, Any] = {}
    wrong = [each for each in (_unread, *misspelt(environment)) if each]
    for name in kind.__struct_fields__:
        if text := environment.get(name.upper()):
            try:
                values[name] = setting.value_of(text, types[name])
            except setting.BadValue as error:
                wrong.append(f"{name.upper()}: {error}")
    settings = kind(**values)
    wrong += settings.problems()
    if wrong:
        raise BadSetting("\n".join(wrong))
    return settings


def hosts_of(text: str) -> frozenset[str]:
    """Return the hosts of a setting, as domain.addresses.is_among compares them."""
    return frozenset(filter(None, map(str.strip, text.lower().split(","))))


def is_loopback(url: str) -> bool:
    with contextlib.suppress(ValueError):
        return is_loopback_host(urlsplit(url).hostname or "")
    return False


def is_loopback_host(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    return False


def masked(url: str) -> str:
    """Return the URL, or several, with user names and passwords masked."""
    return re.sub(r"(?<=://)[^/\s@,]+@", "***@", url)


def write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    temporary.replace(path)


def write_secret_once(path: Path, text: str) -> None:
    """As `write_secret`, but an existing file stays: processes that start together share one."""
    mine = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    write_secret(mine, text)
    with contextlib.suppress(FileExistsError):
        os.link(mine, path)
    mine.unlink()


def _key_bytes(text: str) -> bytes:
    with contextlib.suppress(ValueError):
        if len(key := bytes.fromhex(text.strip())) == 32:  # noqa: PLR2004 - AES-256.
            return key
    raise BadSetting("DARKROOM_MASTER_KEY: must be 64 hexadecimal digits")
