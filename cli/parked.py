"""`darkroom parked`: commits that a handler gave up on; see them, replay them, discard them."""

import getpass
from pathlib import Path
from typing import Any

import click

from adapters.dead_letters import DeadLetter, DeadLetters
from application.recording import record
from cli.connection import Connection, connected
from cli.events import rows_of
from cli.output import (
    FAILED,
    NOT_FOUND,
    data_dir_option,
    json_option,
    runs,
    show,
    show_all,
    stop_with,
)
from contracts.codec import Undecodable
from contracts.events import OperatorActed
from domain.text import check_line


@click.group()
def parked() -> None:
    """See, replay and discard what a handler gave up on. Everything else goes on meanwhile."""


@parked.command("list")
@data_dir_option
@json_option
@runs
async def list_parked(data_dir: str, *, as_json: bool) -> None:
    """List what is parked, oldest first, with why."""
    async with connected(Path(data_dir)) as connection:
        found = await DeadLetters(connection.client).all()
    show_all([_row(each) for each in found], as_json=as_json)


@parked.command("show")
@click.argument("place", type=int, metavar="ID")
@data_dir_option
@json_option
@runs
async def show_parked(data_dir: str, place: int, *, as_json: bool) -> None:
    """Show one, with the events of its commit. Sealed values stay sealed."""
    async with connected(Path(data_dir)) as connection:
        found = await _found(DeadLetters(connection.client), place)
        events: list[Any] = []
        try:
            if (recorded := await connection.log.read(found.sequence)) is not None:
                events = rows_of(recorded)
        except Undecodable as error:
            events = [{"undecodable": str(error)}]
    show(_row(found) | {"events": events}, as_json=as_json)


@parked.command("replay")
@click.argument("place", type=int, metavar="ID")
@data_dir_option
@json_option
@runs
async def replay(data_dir: str, place: int, *, as_json: bool) -> None:
    """Let its handler try once more; it stays parked when that fails again."""
    async with connected(Path(data_dir)) as connection:
        parking = DeadLetters(connection.client)
        found = await _found(parking, place)
        error = await parking.replay(found)
        if error:
            stop_with(FAILED, f"it failed again: {error}")
        await _acted(connection, "dead_letter.replay", found)
        await parking.discard(found)
    show(_row(found) | {"replayed": True}, as_json=as_json)


@parked.command("discard")
@click.argument("place", type=int, metavar="ID")
@click.option("--reason", required=True, help="Why it need not be handled. Kept in the log.")
@data_dir_option
@json_option
@runs
async def discard(data_dir: str, place: int, reason: str, *, as_json: bool) -> None:
    """Give it up for good: it was settled otherwise. Its commit stays in the log."""
    check_line("reason", reason)
    async with connected(Path(data_dir)) as connection:
        parking = DeadLetters(connection.client)
        found = await _found(parking, place)
        await _acted(connection, "dead_letter.discard", found, reason)
        await parking.discard(found)
    show(_row(found) | {"discarded": True}, as_json=as_json)


async def _found(parking: DeadLetters, place: int) -> DeadLetter:
    found = await parking.find(place)
    if found is None:
        stop_with(NOT_FOUND, f"nothing is parked under {place}")
    return found


async def _acted(connection: Connection, action: str, found: DeadLetter, why: str = "") -> None:
    """What an operator does is an event too; without it nothing is done."""
    event = OperatorActed(operator=getpass.getuser(), action=action, why=why, before=_row(found))
    await record(connection.log, event)


def _row(found: DeadLetter) -> dict[str, Any]:
    return {
        "id": found.id,
        "at": found.at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "handler": found.durable,
        "sequence": found.sequence,
        "deliveries": found.deliveries,
        "reason": found.reason,
    }
