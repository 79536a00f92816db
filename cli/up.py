"""`darkroom up`: the whole world on this machine, until Ctrl-C."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import click

from adapters.settings import BadSetting, CommonSettings, load, write_secret
from cli.output import data_dir_option, runs, say
from cli.running import running
from cli.world import World


@click.command()
@data_dir_option
@click.option("--host", envvar="DARKROOM_HOST", default="127.0.0.1", show_default=True)
@click.option("--port", envvar="DARKROOM_PORT", default=8000, show_default=True, help="0: any.")
@runs
async def up(data_dir: str, host: str, port: int) -> None:
    """Start the broker, the simulator when there is no key, and the four services."""
    check_provider()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    starting = asyncio.create_task(_run(Path(data_dir), host, port, stop))
    await starting
    say("stopped; starting again on the same folder continues where this ended")


async def _run(data_dir: Path, host: str, port: int, stop: asyncio.Event) -> None:
    async with running(data_dir, host, port, tell=say, log_folder=data_dir / "logs") as (world, _):
        tell_banner(world)
        await stop.wait()
        say("stopping …")


def check_provider() -> None:
    """Without a key the simulator is meant only where everything else is embedded too."""
    settings = load(CommonSettings)
    given = [name for name in ("NATS_URL", "DATABASE_URL", "STORAGE_URL") if os.environ.get(name)]
    if given and not settings.provider_key and settings.provider != "simulator":
        msg = f"{given[0]} is set but FAL_KEY is not: set it, or say PROVIDER=simulator"
        raise BadSetting(msg)


def tell_banner(world: World) -> None:
    """Tell where it is and give the tokens: on a terminal at once, otherwise in a private file."""
    say(f"Darkroom is ready at {world.url}")
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
