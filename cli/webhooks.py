"""`darkroom webhooks`: the endpoints that hear of an account's jobs, and what they were sent."""

from pathlib import Path
from typing import Any

import click

from cli.front_door import ask, ask_once, front_door, token_option
from cli.output import NOT_FOUND, USAGE, operator_command, show, show_all, stop_with
from cli.parameters import ID, Group, among, key_option
from domain.endpoints import ALL_TYPES

PATH = "/api/webhook-endpoints"
COLUMNS = ("id", "url", "types", "enabled", "failing_since", "created_at")
DELIVERY_COLUMNS = ("id", "type", "object_id", "status", "attempts", "last_status", "created_at")
type_option = click.option(
    "--type",
    "types",
    multiple=True,
    shell_complete=among(lambda: list(ALL_TYPES)),
    help="What it hears of; several may be given. Default: everything.",
)


@click.group(cls=Group)
def webhooks() -> None:
    """Have a server of yours told of ended jobs and runs; see what it was told."""


@webhooks.command("list")
@token_option
@operator_command
async def list_endpoints(data_dir: Path, token: str | None, *, as_json: bool) -> None:
    """List the account's endpoints, oldest first."""
    async with front_door(data_dir, token) as client:
        found = (await ask(client, "GET", PATH))["items"]
    show_all(found, as_json=as_json, columns=COLUMNS)


@webhooks.command("show")
@click.argument("endpoint_id", type=ID)
@token_option
@operator_command
async def show_endpoint(
    data_dir: Path, token: str | None, endpoint_id: str, *, as_json: bool
) -> None:
    """Show one endpoint; never its secret."""
    async with front_door(data_dir, token) as client:
        items = (await ask(client, "GET", PATH))["items"]
    found = next((each for each in items if each["id"] == endpoint_id), None)
    if found is None:
        stop_with(NOT_FOUND, "darkroom: there is no such endpoint in this account")
    show(found, as_json=as_json)


@webhooks.command("create")
@click.argument("url")
@type_option
@key_option
@token_option
@operator_command
async def create_endpoint(
    data_dir: Path,
    token: str | None,
    url: str,
    types: tuple[str, ...],
    key: str | None,
    *,
    as_json: bool,
) -> None:
    """Register a URL. The secret that signs its deliveries is shown once."""
    body = {"url": url} | _types(types)
    async with front_door(data_dir, token) as client:
        show(await ask_once(client, PATH, key, body), as_json=as_json)


@webhooks.command("change")
@click.argument("endpoint_id", type=ID)
@click.option("--url", help="Another URL.")
@type_option
@click.option("--enabled/--disabled", default=None, help="Send to it, or do not.")
@token_option
@operator_command
async def change_endpoint(
    data_dir: Path,
    token: str | None,
    endpoint_id: str,
    types: tuple[str, ...],
    *,
    as_json: bool,
    **changed: Any,
) -> None:
    """Change its URL or types, or enable it again."""
    given = {name: value for name, value in changed.items() if value is not None}
    body = given | _types(types)
    if not body:
        stop_with(USAGE, "darkroom: say what to change: --url, --type, --enabled or --disabled")
    async with front_door(data_dir, token) as client:
        show(await ask(client, "PATCH", f"{PATH}/{endpoint_id}", json=body), as_json=as_json)


@webhooks.command("deliveries")
@click.argument("endpoint_id", type=ID)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 100))
@token_option
@operator_command
async def list_deliveries(
    data_dir: Path, token: str | None, endpoint_id: str, limit: int, *, as_json: bool
) -> None:
    """List what an endpoint was sent or has yet to be sent, newest first."""
    async with front_door(data_dir, token) as client:
        path, params = f"{PATH}/{endpoint_id}/deliveries", {"limit": limit}
        found = (await ask(client, "GET", path, params=params))["items"]
    show_all(found, as_json=as_json, columns=DELIVERY_COLUMNS)


@webhooks.command("resend")
@click.argument("endpoint_id", type=ID)
@click.argument("delivery_id", type=ID)
@key_option
@token_option
@operator_command
async def resend(
    data_dir: Path,
    token: str | None,
    endpoint_id: str,
    delivery_id: str,
    key: str | None,
    *,
    as_json: bool,
) -> None:
    """Send a delivery once more, under the same message id."""
    async with front_door(data_dir, token) as client:
        path = f"{PATH}/{endpoint_id}/deliveries/{delivery_id}/resend"
        show(await ask_once(client, path, key), as_json=as_json)


@webhooks.command("rotate")
@click.argument("endpoint_id", type=ID)
@key_option
@token_option
@operator_command
async def rotate(
    data_dir: Path, token: str | None, endpoint_id: str, key: str | None, *, as_json: bool
) -> None:
    """Make a new secret, shown once; for a day deliveries carry the old one's signature too."""
    async with front_door(data_dir, token) as client:
        show(await ask_once(client, f"{PATH}/{endpoint_id}/rotate", key), as_json=as_json)


@webhooks.command("remove")
@click.argument("endpoint_id", type=ID)
@token_option
@operator_command
async def remove(data_dir: Path, token: str | None, endpoint_id: str, *, as_json: bool) -> None:
    """Remove an endpoint: nothing more is sent to it."""
    async with front_door(data_dir, token) as client:
        await ask(client, "DELETE", f"{PATH}/{endpoint_id}")
    show({"id": endpoint_id, "removed": True}, as_json=as_json)


def _types(types: tuple[str, ...]) -> dict[str, Any]:
    return {"types": list(types)} if types else {}
