"""`darkroom up`: the whole world on this machine, until Ctrl-C."""

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

import click

from adapters.settings import BadSetting, CommonSettings, load, write_secret
from cli.output import data_dir_option, runs, say
from cli.running import running
from cli.service_settings import check_all
from cli.world import World


@click.command()
@data_dir_option
@click.option("--host", help="Default: DARKROOM_HOST, or 127.0.0.1.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), help="0: any. Default: DARKROOM_PORT, or 8000."
)
@runs
async def up(data_dir: Path, host: str | None, port: int | None) -> None:
    """Start the broker, the simulator when there is no key, and the four services."""
    settings = settings_for(host, port)
    stop, ready = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    world = asyncio.create_task(
        _run(data_dir, settings.darkroom_host, settings.darkroom_port, stop, ready)
    )
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({world, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if stop.is_set():
        say("stopping …")
        if not ready.is_set():  # A world that is up stops by itself and has to finish that.
            world.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await world
    say("stopped; starting again on the same folder continues where this ended")


async def _run(
    data_dir: Path, host: str, port: int, stop: asyncio.Event, ready: asyncio.Event
) -> None:
    async with running(data_dir, host, port, tell=say) as (world, _):
        ready.set()
        _show_banner(world)
        await stop.wait()


def settings_for(host: str | None, port: int | None) -> CommonSettings:
    """Check the settings of all, with these options; return the common ones. Raise BadSetting."""
    chosen = {"DARKROOM_HOST": host, "DARKROOM_PORT": None if port is None else str(port)}
    environment = {**os.environ, **{name: value for name, value in chosen.items() if value}}
    check_all(environment)
    settings = load(CommonSettings, environment)
    _check_provider(settings)
    return settings


def _check_provider(settings: CommonSettings) -> None:
    """Raise BadSetting when the key is missing in a world that is not wholly embedded."""
    given = [name for name in ("NATS_URL", "DATABASE_URL", "STORAGE_URL") if os.environ.get(name)]
    if settings.provider == "fal" and not settings.provider_key:
        raise BadSetting("PROVIDER is fal but FAL_KEY is not set")
    if given and not settings.provider_key and settings.provider != "simulator":
        raise BadSetting(f"{given[0]} is set but FAL_KEY is not: set it, or say PROVIDER=simulator")


def _show_banner(world: World) -> None:
    """Show the address, and the tokens: on a terminal, or else in a file for its owner only."""
    say(f"Darkroom is ready at {os.environ.get('SITE_URL') or world.url}")
    if world.provider == "simulator":
        say("provider: simulator (FAL_KEY is not set; pictures are drawn here and cost no money)")
    say(f"logs: {world.folder / 'logs'}")
    if sys.stderr.isatty():
        for role, token in world.tokens.items():
            say(f"{role} token: {token}")
        curl = f'curl -H "Authorization: Token {world.tokens.get("user", "…")}"'
        say(f"try: {curl} {world.url}/api/credits")
        return
    path = world.folder / "tokens.txt"
    write_secret(path, "".join(f"{role} {token}\n" for role, token in world.tokens.items()))
    say(f"tokens: {path}")
