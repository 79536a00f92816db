"""`darkroom config`: the settings in force."""

import os
from pathlib import Path
from typing import Any

import click
from msgspec import structs

from adapters.settings import CommonSettings, load, masked
from cli.connection import settings_of
from cli.output import operator_command, show, show_all
from cli.parameters import Group
from cli.service_settings import KINDS, check_all
from cli.world import NoWorld, World, read_world, service_environment, simulator_environment

SECRETS = ("password", "key", "secret")
METRICS_PORTS = "metrics_ports"


@click.group(cls=Group)
def config() -> None:
    """Show the settings in force, without their secrets."""


@config.command("show")
@operator_command
async def show_config(data_dir: Path, *, as_json: bool) -> None:
    """Show the settings of the world that runs in the folder, or of one that would be started now.

    The broker's user is that of this command: each service has its own.
    """
    check_all()
    world = read_world(data_dir)
    running = world if world is not None and world.is_running else None
    values = {name: _shown(name, each) for name, each in _in_force(data_dir, running).items()}
    if as_json:
        show(values, as_json=True)
        return
    if ports := values.pop(METRICS_PORTS, None):
        values["metrics_port"] = [f"{port} ({service})" for service, port in ports.items()]
    defaults = {name: _shown(name, each) for name, each in _defaults().items()}
    rows = [
        {"setting": name.upper(), "value": value, "default": defaults.get(name)}
        for name, value in values.items()
    ]
    show_all(rows, as_json=False)


def _in_force(data_dir: Path, world: World | None) -> dict[str, Any]:
    """Return every setting, by name. A service that is not given one does not hide another's."""
    found, metrics_ports = _defaults(), {}
    for service, kind in KINDS.items():
        given = structs.asdict(load(kind, _environment(data_dir, world, service)))
        metrics_ports[service] = given.get("metrics_port", 0)
        found |= {
            name: each for name, each in given.items() if each != structs.asdict(kind())[name]
        }
    common = load(CommonSettings, _environment(data_dir, world, "api"))
    found["site_url"], found["database_url"] = common.origin, common.database
    found["webhook_base_url"] = common.webhook_origin
    try:
        mine = settings_of(data_dir)
    except NoWorld:
        mine = common
    found |= {name: getattr(mine, name) for name in ("nats_url", "nats_user", "nats_password")}
    if world is not None:
        found[METRICS_PORTS] = {name: port for name, port in metrics_ports.items() if port}
    return dict(sorted(found.items()))


def _environment(data_dir: Path, world: World | None, service: str) -> dict[str, str]:
    if world is None:
        return {**os.environ, "DARKROOM_DATA_DIR": str(data_dir)}
    if service == "simulator":
        return simulator_environment(world)
    return service_environment(world, service)


def _defaults() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for kind in KINDS.values():
        found |= structs.asdict(kind())
    return found


def _shown(name: str, value: Any) -> Any:
    if value is None or value == "":
        return None
    if value and any(word in name.split("_") for word in SECRETS):
        return "***"
    return masked(value) if isinstance(value, str) else value
