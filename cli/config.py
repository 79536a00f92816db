"""`darkroom config`: the settings in force."""

from pathlib import Path
from typing import Any

import click
from msgspec import structs

from adapters.settings import CommonSettings, load, masked
from cli.connection import settings_of
from cli.output import operator_command, show
from cli.service_settings import in_force
from cli.world import NoWorld

SECRETS = ("password", "key", "secret")


@click.group()
def config() -> None:
    """Show the settings in force, without their secrets."""


@config.command("show")
@operator_command
async def show_config(data_dir: Path, *, as_json: bool) -> None:
    """Show the settings that each process would get if a world were started here now."""
    document = in_force()
    try:
        settings = settings_of(data_dir)
    except NoWorld:
        settings = structs.replace(load(CommonSettings), darkroom_data_dir=str(data_dir))
    document |= structs.asdict(settings)
    document["site_url"] = settings.origin
    document["webhook_base_url"] = settings.webhook_origin
    document["database_url"] = settings.database
    shown = {name: _shown(name, value) for name, value in sorted(document.items())}
    show(shown, as_json=as_json)


def _shown(name: str, value: Any) -> Any:
    if value and any(word in name.split("_") for word in SECRETS):
        return "***"
    return masked(value) if isinstance(value, str) else value
