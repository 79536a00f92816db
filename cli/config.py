"""`darkroom config`: the settings in force."""

from pathlib import Path

import click
from msgspec import structs

from adapters.settings import CommonSettings, load
from cli.connection import NoWorld, settings_of
from cli.output import data_dir_option, json_option, runs, show

SECRETS = ("password", "key", "secret")


@click.group()
def config() -> None:
    """Show the settings in force, without their secrets."""


@config.command("show")
@data_dir_option
@json_option
@runs
async def show_config(data_dir: str, *, as_json: bool) -> None:
    """Show what a command started here would use."""
    try:
        settings = settings_of(Path(data_dir))
    except NoWorld:
        settings = structs.replace(load(CommonSettings), darkroom_data_dir=data_dir)
    document = {
        name: "***" if value and any(word in name for word in SECRETS) else value
        for name, value in structs.asdict(settings).items()
    }
    document["database_url"] = settings.database
    show(document, as_json=as_json)
