"""`darkroom credits`: an account's credits, as operators see and move them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import click
from msgspec import structs

from application.documents import credits_document
from application.event_log import LogUnavailable
from cli.connection import Connection, connected
from cli.output import operator_command, say, show, show_all
from contracts.cursor import Cursor
from contracts.ids import AccountId, account_id
from domain.account import GrantCredits, RevokeCredits
from domain.text import check_line
from domain.times import text_of
from read_models import accounts

account_option = click.option("--account", required=True)


@click.group()
def credits() -> None:  # noqa: A001 - the command's name.
    """Grant, revoke and show credits."""


def _move_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a command that moves credits."""
    key = click.option("--key", help="Idempotency key: a repeat with it changes nothing.")
    reason = click.option("--reason", required=True)
    amount = click.option("--amount", required=True, type=int)
    return account_option(amount(reason(key(command))))


@credits.command("grant")
@_move_options
@operator_command
async def grant(
    data_dir: Path, account: str, amount: int, reason: str, key: str | None, *, as_json: bool
) -> None:
    """Give credits to an account."""
    show(await _move(data_dir, account, GrantCredits(amount, reason), key), as_json=as_json)


@credits.command("revoke")
@_move_options
@operator_command
async def revoke(
    data_dir: Path, account: str, amount: int, reason: str, key: str | None, *, as_json: bool
) -> None:
    """Take available credits back from an account."""
    show(await _move(data_dir, account, RevokeCredits(amount, reason), key), as_json=as_json)


@credits.command("show")
@account_option
@operator_command
async def show_balance(data_dir: Path, account: str, *, as_json: bool) -> None:
    """Show an account's credits."""
    async with connected(data_dir) as connection:
        show(await _balance(connection, account_id(account)), as_json=as_json)


@credits.command("entries")
@account_option
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 10_000))
@operator_command
async def list_entries(data_dir: Path, account: str, limit: int, *, as_json: bool) -> None:
    """List an account's entries, newest first."""
    owner = account_id(account)
    async with connected(data_dir) as connection:
        found = await connection.database.read(accounts.newest_entries, owner, None, limit)
    rows = [structs.asdict(entry) | {"at": text_of(entry.at)} for entry in found]
    show_all(rows, as_json=as_json)


async def _move(
    data_dir: Path, account: str, command: GrantCredits | RevokeCredits, key: str | None
) -> dict[str, Any]:
    owner = account_id(account)
    key = str(uuid4()) if key is None else key
    check_line("reason", command.reason)
    check_line("key", key)
    async with connected(data_dir) as connection:
        try:
            await connection.execute(owner, command, f"cli:{key}")
        except LogUnavailable:
            say(f"the outcome is not known: repeat with --key {key}")
            raise
        return await _balance(connection, owner)


async def _balance(connection: Connection, account: AccountId) -> dict[str, Any]:
    await connection.catch_up()
    balance = await connection.database.read(accounts.find, account)
    as_of = Cursor(connection.log.epoch, connection.changes.position)
    return {"account": account, **structs.asdict(credits_document(balance.account, str(as_of)))}
