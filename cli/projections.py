"""`darkroom projections`: how far the read models are, and making them anew."""

from pathlib import Path

import click

from adapters.database import open_database
from adapters.health import ask_health
from cli.connection import connected
from cli.output import DIFFERENCES, operator_command, say, show, stop_with
from cli.parameters import Group
from read_models import positions


@click.group(cls=Group)
def projections() -> None:
    """See how far the read models are; make them anew from the log."""


@projections.command("status")
@operator_command
async def status(data_dir: Path, *, as_json: bool) -> None:
    """Show the read models' position beside the log's end. Exit code 6 when they do not follow."""
    async with connected(data_dir) as connection:
        mark = await connection.database.read(positions.find)
        end = await connection.log.end()
        states = await ask_health(connection.client)
        health = next(each for each in states if each.service == "projector")
        following = health.consuming and mark is not None
        document = {
            "epoch": mark.epoch if mark is not None else None,
            "position": mark.sequence if mark is not None else None,
            "log_epoch": connection.log.epoch,
            "log_end": end,
            "following": following,
            "alarms": list(health.alarms),
        }
    show(document, as_json=as_json)
    if not following:
        stop_with(DIFFERENCES, "the read models do not follow the log")


@projections.command("rebuild")
@click.option("--yes", is_flag=True, help="Do not ask.")
@operator_command
async def rebuild(data_dir: Path, *, yes: bool, as_json: bool) -> None:
    """Let the projector make the read models anew from the log that there is.

    Reads answer 503 until it has caught up, and nothing is acted on meanwhile. After a log was set
    back this accepts the loss of what it no longer holds: restart the services afterwards.
    """
    if not yes:
        click.confirm("The read models are made anew, reads wait meanwhile. Go on?", abort=True)
    async with connected(data_dir) as connection:
        writable = open_database(connection.settings.database, read_only=False)
        try:
            await writable.write(positions.forget)
        finally:
            await writable.close()
        say("the projector begins anew; see `darkroom projections status`")
        show({"rebuilding": True, "log_end": await connection.log.end()}, as_json=as_json)
