"""`darkroom runs`: funnels, all of whose texts are written in one run."""

from pathlib import Path
from typing import Any, TextIO

import click
import httpx
import msgspec

from cli.connection import connected
from cli.front_door import ask, ask_once, front_door, show_ended, token_option, wait_option
from cli.output import USAGE, operator_command, show, show_all, stop_with
from cli.parameters import ID, Group, key_option
from cli.tables import plain
from contracts.ids import AccountId
from domain.times import text_of
from read_models import runs as run_rows
from read_models.runs import Run


@click.group(cls=Group)
def runs() -> None:
    """Create, list, show, cancel and retry runs of a funnel."""


@runs.command("create")
@click.argument("project")
@click.option("--intake", help="What the texts are made from: JSON, or a text.")
@click.option("--intake-file", type=click.File("r"), help="The same from a file; - is stdin.")
@click.option("--intake-id", help="Your own name for it.")
@key_option
@wait_option
@token_option
@operator_command
async def create_run(
    data_dir: Path,
    token: str | None,
    project: str,
    intake: str | None,
    intake_file: TextIO | None,
    intake_id: str | None,
    key: str | None,
    *,
    wait: bool,
    as_json: bool,
) -> None:
    """Write all texts of a project, 1 credit a step."""
    if (intake is None) == (intake_file is None):
        stop_with(USAGE, "darkroom: say from what: one of --intake and --intake-file")
    text = intake_file.read() if intake_file is not None else intake or ""
    body = {"projectId": project, "intake": _json_or_text(text)}
    body |= {"intakeId": intake_id} if intake_id is not None else {}
    async with front_door(data_dir, token) as client:
        asked = await ask_once(client, "/api/generate/auto-generate-all", key, body)
        await _show_run(client, asked["runId"], wait=wait, as_json=as_json)


@runs.command("list")
@click.option("--account", required=True, type=ID)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 100))
@operator_command
async def list_runs(data_dir: Path, account: AccountId, limit: int, *, as_json: bool) -> None:
    """List an account's runs as an operator, the last changed first."""
    async with connected(data_dir) as connection:
        await connection.catch_up()
        found = await connection.database.read(run_rows.last_changed, account, limit)
    show_all([_row(run) for run in found], as_json=as_json)


@runs.command("show")
@click.argument("run_id", type=ID)
@wait_option
@token_option
@operator_command
async def show_run(
    data_dir: Path, token: str | None, run_id: str, *, wait: bool, as_json: bool
) -> None:
    """Show one run with its steps."""
    async with front_door(data_dir, token) as client:
        await _show_run(client, run_id, wait=wait, as_json=as_json)


@runs.command("cancel")
@click.argument("run_id", type=ID)
@token_option
@operator_command
async def cancel_run(data_dir: Path, token: str | None, run_id: str, *, as_json: bool) -> None:
    """Cancel a run: what is unused comes back, what is written stays."""
    async with front_door(data_dir, token) as client:
        show(await ask(client, "POST", f"/api/runs/{run_id}/cancel"), as_json=as_json)


@runs.command("retry")
@click.argument("project")
@click.option("--step", "steps", type=int, multiple=True, help="Default: all that failed.")
@key_option
@wait_option
@token_option
@operator_command
async def retry_run(
    data_dir: Path,
    token: str | None,
    project: str,
    steps: tuple[int, ...],
    key: str | None,
    *,
    wait: bool,
    as_json: bool,
) -> None:
    """Run a project's failed steps again, in a new run that takes over what is finished."""
    body: dict[str, Any] = {"projectId": project} | ({"steps": list(steps)} if steps else {})
    async with front_door(data_dir, token) as client:
        asked = await ask_once(client, "/api/generate/retry-failed", key, body)
        await _show_run(client, asked["runId"], wait=wait, as_json=as_json)


@runs.command("text")
@click.argument("project")
@click.argument("step", type=int)
@token_option
@operator_command
async def show_text(
    data_dir: Path, token: str | None, project: str, step: int, *, as_json: bool
) -> None:
    """Print the text of a finished step."""
    async with front_door(data_dir, token) as client:
        params = {"projectId": project, "step": step}
        found = await ask(client, "GET", "/api/generate/content", params=params)
    if as_json:
        show(found, as_json=True)
    else:
        click.echo(plain(found["content"]))


async def _show_run(client: httpx.AsyncClient, run_id: str, *, wait: bool, as_json: bool) -> None:
    run = await ask(client, "GET", f"/api/runs/{run_id}")
    await show_ended(client, "run", run, wait=wait, as_json=as_json)


def _json_or_text(text: str) -> Any:
    try:
        found = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
    return found if isinstance(found, dict) else text


def _row(run: Run) -> dict[str, Any]:
    ended_at = text_of(run.ended_at) if run.ended_at is not None else None
    return {
        "id": run.run_id,
        "account": run.account_id,
        "project": run.project_id,
        "status": run.status,
        "started_at": text_of(run.started_at),
        "ended_at": ended_at,
    }
