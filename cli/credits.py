"""`darkroom credits`: the five moves of credits, as operators see and make them."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import click
from msgspec import structs

from application.account_commands import CommandResult
from application.event_log import LogUnavailable
from cli.connection import Connection, connected
from cli.output import data_dir_option, json_option, runs, say, show, show_all
from contracts.cursor import Cursor
from contracts.ids import AccountId, account_id
from domain.account import GrantCredits, RevokeCredits
from domain.account_batch import AccountRequest
from domain.text import check_line
from domain.times import time_of
from read_models import accounts

account_option = click.option("--account", required=True)
key_option = click.option("--key", help="Idempotency key: a repeat with it changes nothing.")


@click.group()
def credits() -> None:  # noqa: A001 - the command's name.
    """Grant, revoke and show credits."""


@credits.command("grant")
@account_option
@click.option("--amount", required=True, type=int)
@click.option("--reason", required=True)
@key_option
@data_dir_option
@json_option
@runs
async def grant(
    data_dir: str, account: str, amount: int, reason: str, key: str | None, *, as_json: bool
) -> None:
    """Give credits to an account."""
    await _move(data_dir, account_id(account), GrantCredits(amount, reason), key, as_json=as_json)


@credits.command("revoke")
@account_option
@click.option("--amount", required=True, type=int)
@click.option("--reason", required=True)
@key_option
@data_dir_option
@json_option
@runs
async def revoke(
    data_dir: str, account: str, amount: int, reason: str, key: str | None, *, as_json: bool
) -> None:
    """Take available credits back from an account."""
    await _move(data_dir, account_id(account), RevokeCredits(amount, reason), key, as_json=as_json)


@credits.command("show")
@account_option
@data_dir_option
@json_option
@runs
async def show_balance(data_dir: str, account: str, *, as_json: bool) -> None:
    """Show an account's credits."""
    async with connected(Path(data_dir)) as connection:
        show(await _balance(connection, account_id(account)), as_json=as_json)


@credits.command("entries")
@account_option
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 10_000))
@data_dir_option
@json_option
@runs
async def list_entries(data_dir: str, account: str, limit: int, *, as_json: bool) -> None:
    """List an account's entries, newest first."""
    owner = account_id(account)
    async with connected(Path(data_dir)) as connection:
        found = await connection.database.read(accounts.newest_entries, owner, None, limit)
    show_all(map(_row, found), as_json=as_json)


def _row(entry: accounts.LedgerEntry) -> dict[str, Any]:
    at = time_of(entry.at).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return structs.asdict(entry) | {"at": at}


async def _move(
    data_dir: str,
    account: AccountId,
    command: GrantCredits | RevokeCredits,
    key: str | None,
    *,
    as_json: bool,
) -> None:
    key = str(uuid4()) if key is None else key
    check_line("reason", command.reason)
    check_line("key", key)
    wish = AccountRequest(
        command=command,
        actor="cli",
        correlation_id=str(uuid4()),
        idempotency_key=f"cli:{key}",
        fingerprint=repr(command),
    )
    async with connected(Path(data_dir)) as connection:
        try:
            granted: CommandResult = await connection.accounts.execute(account, wish)
        except LogUnavailable:
            say(f"the outcome is not known: repeat with --key {key}")
            raise
        await connection.changes.wait_for(granted.sequence, 5.0)
        show(await _balance(connection, account), as_json=as_json)


async def _balance(connection: Connection, account: AccountId) -> dict[str, Any]:
    await connection.changes.wait_for(await connection.log.end(), 5.0)
    balance = await connection.database.read(accounts.find, account)
    state = balance.account
    return {
        "account": account,
        "available": state.available,
        "held": state.held,
        "spent": state.charged,
        "granted": state.granted,
        "revoked": state.revoked,
        "as_of": str(Cursor(connection.log.epoch, connection.changes.position)),
    }
