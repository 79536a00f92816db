"""`darkroom parked`: dead letters, the commits that a handler gave up on."""

import getpass
from pathlib import Path
from typing import Any

import click

from adapters.dead_letters import DeadLetter, DeadLetters
from application.documents import event_documents
from application.recording import record
from cli.connection import Connection, connected
from cli.output import FAILED, NOT_FOUND, operator_command, show, show_all, stop_with
from cli.parameters import LINE, Group
from contracts.codec import Undecodable
from contracts.events import OperatorActed
from domain.times import text_of


@click.group(cls=Group)
def parked() -> None:
    """See, replay and discard what a handler gave up on. Everything else goes on meanwhile."""


@parked.command("list")
@operator_command
async def list_dead_letters(data_dir: Path, *, as_json: bool) -> None:
    """List what is parked, oldest first, with why."""
    async with connected(data_dir) as connection:
        found = await DeadLetters(connection.client).all()
    show_all([_row(each) for each in found], as_json=as_json)


@parked.command("show")
@click.argument("place", type=int, metavar="ID")
@operator_command
async def show_dead_letter(data_dir: Path, place: int, *, as_json: bool) -> None:
    """Show one, with the events of its commit. Sealed values stay sealed."""
    async with connected(data_dir) as connection:
        found = await _found(DeadLetters(connection.client), place)
        try:
            recorded = await connection.log.read(found.sequence)
            events = event_documents(recorded) if recorded is not None else []
        except Undecodable as error:
            events = [{"type": "undecodable", "body": {"reason": str(error)}}]
    show(_row(found) | {"events": events}, as_json=as_json)


@parked.command("replay")
@click.argument("place", type=int, metavar="ID")
@operator_command
async def replay(data_dir: Path, place: int, *, as_json: bool) -> None:
    """Let its handler try once more; it stays parked when that fails again."""
    async with connected(data_dir) as connection:
        dead_letters = DeadLetters(connection.client)
        found = await _found(dead_letters, place)
        error = await dead_letters.replay(found)
        if error:
            stop_with(FAILED, f"it failed again: {error}")
        await _record_action(connection, "dead_letter.replay", found)
        await dead_letters.discard(found)
    show(_row(found) | {"replayed": True}, as_json=as_json)


@parked.command("discard")
@click.argument("place", type=int, metavar="ID")
@click.option(
    "--reason", required=True, type=LINE, help="Why it need not be handled. Kept in the log."
)
@operator_command
async def discard(data_dir: Path, place: int, reason: str, *, as_json: bool) -> None:
    """Give it up for good: it was settled otherwise. Its commit stays in the log."""
    async with connected(data_dir) as connection:
        dead_letters = DeadLetters(connection.client)
        found = await _found(dead_letters, place)
        await _record_action(connection, "dead_letter.discard", found, reason)
        await dead_letters.discard(found)
    show(_row(found) | {"discarded": True}, as_json=as_json)


async def _found(dead_letters: DeadLetters, place: int) -> DeadLetter:
    found = await dead_letters.find(place)
    if found is None:
        stop_with(NOT_FOUND, f"nothing is parked under {place}")
    return found


async def _record_action(
    connection: Connection, action: str, found: DeadLetter, why: str = ""
) -> None:
    """Record what the operator did. Where that fails the dead letter stays."""
    event = OperatorActed(operator=getpass.getuser(), action=action, why=why, before=_row(found))
    await record(connection.log, event)


def _row(found: DeadLetter) -> dict[str, Any]:
    return {
        "id": found.id,
        "at": text_of(found.at),
        "handler": found.durable,
        "sequence": found.sequence,
        "deliveries": found.deliveries,
        "reason": found.reason,
    }
