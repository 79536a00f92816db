"""`darkroom tokens`: who may come in."""

from pathlib import Path

import click

from cli.connection import connected
from cli.output import NOT_FOUND, operator_command, show, show_all, stop_with
from cli.parameters import ID, Group
from cli.running import issue_token
from contracts.events.account import Role
from contracts.ids import TokenId, account_id
from domain.tokens import RevokeToken
from read_models import access_tokens


@click.group(cls=Group)
def tokens() -> None:
    """Issue, list and revoke access tokens."""


@tokens.command("issue")
@click.option("--account", required=True, type=ID)
@click.option("--role", type=click.Choice([role.value for role in Role]), default="user")
@operator_command
async def issue(data_dir: Path, account: str, role: str, *, as_json: bool) -> None:
    """Issue a token. It is shown once: only its hash is kept."""
    owner = account_id(account)
    async with connected(data_dir) as connection:
        token_id, token = await issue_token(connection, owner, Role(role))
    document = {"id": token_id, "token": token, "account": account, "role": role}
    show(document, as_json=as_json)


@tokens.command("list")
@click.option("--account", type=ID)
@operator_command
async def list_tokens(data_dir: Path, account: str | None, *, as_json: bool) -> None:
    """List tokens, oldest first; never the tokens themselves."""
    owner = account_id(account) if account else None
    async with connected(data_dir) as connection:
        found = await connection.database.read(access_tokens.of_account, owner)
    rows = [
        {
            "id": each.token_id,
            "account": each.account_id,
            "role": each.role,
            "revoked": each.revoked,
        }
        for each in found
    ]
    show_all(rows, as_json=as_json)


@tokens.command("revoke")
@click.argument("token_id")
@operator_command
async def revoke(data_dir: Path, token_id: str, *, as_json: bool) -> None:
    """Revoke a token by its id."""
    async with connected(data_dir) as connection:
        found = await connection.database.read(access_tokens.find, token_id)
        if found is None:
            stop_with(NOT_FOUND, f"there is no token {token_id}")
        await connection.execute(found.account_id, RevokeToken(TokenId(token_id)))
    show({"id": token_id, "revoked": True}, as_json=as_json)
