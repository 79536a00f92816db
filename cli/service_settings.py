"""The settings of the world's processes: checked, and handed to each process."""

import os
from collections.abc import Mapping

from adapters.settings import BadSetting, Settings, load
from services.api.settings import ApiSettings
from services.dispatcher.settings import DispatcherSettings
from services.ingestor.settings import IngestorSettings
from services.projector.settings import ProjectorSettings
from simulator.settings import SimulatorSettings

KINDS: dict[str, type[Settings]] = {
    "projector": ProjectorSettings,
    "dispatcher": DispatcherSettings,
    "ingestor": IngestorSettings,
    "api": ApiSettings,
    "simulator": SimulatorSettings,
}
_PROVIDER_KEYS = {"FAL_KEY", "FAL_AI_API_KEY"}
_STORAGE_KEYS = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "DARKROOM_MASTER_KEY"}
# Secrets that every service's settings have, and that these services have no use for.
WITHHELD = {"api": _PROVIDER_KEYS, "projector": _PROVIDER_KEYS | _STORAGE_KEYS}
# Variables that every process is given: to find programs, languages, time zones and proxies.
SURROUNDINGS = (
    *("PATH", "HOME", "USER", "LANG", "LANGUAGE", "TZ", "TMPDIR", "VIRTUAL_ENV"),
    *("LD_LIBRARY_PATH", "LD_PRELOAD", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("AWS_REGION", "AWS_SESSION_TOKEN", "AWS_CA_BUNDLE"),
)
SURROUNDING_PREFIXES = ("LC_", "PYTHON", "XDG_", "FAKETIME")


def check_all(environment: Mapping[str, str] | None = None) -> None:
    """Check the settings of the whole world; raise BadSetting with a line for each wrong one."""
    wrong: dict[str, None] = {}
    for kind in KINDS.values():
        try:
            load(kind, environment)
        except BadSetting as error:
            wrong |= dict.fromkeys(str(error).splitlines())
    if wrong:
        raise BadSetting("\n".join(wrong))


def log_bytes_max() -> int:
    return load(ApiSettings).log_max_bytes


def environment_of(name: str) -> dict[str, str]:
    """Return what a process of the world is given: its own settings, no other one's secrets."""
    wanted = {field.upper() for field in KINDS[name].__struct_fields__} - WITHHELD.get(name, set())
    given = {each: value for each, value in os.environ.items() if each in wanted}
    return surroundings() | given | {"DARKROOM_ENV_FILE": ""}


def surroundings() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if name in SURROUNDINGS or name.startswith(SURROUNDING_PREFIXES)
    }
