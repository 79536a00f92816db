"""`darkroom broker`: the one step that makes what the services need on a broker."""

from pathlib import Path

import click
from nats.js.errors import APIError

from adapters.broker_setup import set_up
from cli.connection import reach_broker, settings_of
from cli.output import REFUSED, operator_command, show, stop_with
from cli.parameters import Group
from contracts.subjects import STREAM


@click.group(cls=Group)
def broker() -> None:
    """Make the log, its buckets and its consumers. Needs a user with admin rights."""


@broker.command("setup")
@click.option("--replicas", default=1, show_default=True, type=click.Choice(["1", "3"]))
@click.option(
    "--max-bytes",
    envvar="LOG_MAX_BYTES",
    type=click.IntRange(min=1),
    help="Of the log. Default: what it has; 20 GiB for a new one.",
)
@operator_command
async def setup(data_dir: Path, replicas: str, max_bytes: int | None, *, as_json: bool) -> None:
    """Make what is missing, widen what has grown. Harmless to repeat: it narrows nothing."""
    client = await reach_broker(settings_of(data_dir), "darkroom broker setup")
    try:
        epoch = await set_up(client, log_bytes_max=max_bytes, replicas=int(replicas))
        config = (await client.jetstream().stream_info(STREAM)).config
    except APIError as error:
        stop_with(REFUSED, f"darkroom: the broker refuses: {error.description}")
    finally:
        await client.close()
    shown = {"epoch": epoch, "replicas": config.num_replicas, "max_bytes": config.max_bytes}
    show(shown, as_json=as_json)
