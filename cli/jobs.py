"""`darkroom jobs`: jobs over HTTP, as any client would ask for them."""

from pathlib import Path
from typing import Any

import click
import httpx

from cli.connection import connected
from cli.front_door import ask, ask_once, front_door, show_ended, token_option, wait_option
from cli.job_fields import fields_of, input_of
from cli.output import REFUSED, operator_command, show, show_all, stop_with
from cli.parameters import ID, Group, among, key_option
from contracts.ids import AccountId
from domain.job_kinds import KINDS
from domain.statuses import JobStatus
from domain.text import check_json
from domain.times import text_of
from read_models import job_lists
from read_models.jobs import Job

COLUMNS = ("id", "kind", "status", "created_at")


@click.group(cls=Group)
def jobs() -> None:
    """Create, list, show, watch, cancel, retry and delete jobs.

    DARKROOM_URL names another front door than that of the data folder's world.
    """


@jobs.command("create")
@click.argument("prompt", required=False)
@click.option(
    "--kind", default="infograph", show_default=True, shell_complete=among(lambda: list(KINDS))
)
@click.option("--field", "fields", multiple=True, metavar="NAME=VALUE", help="Of the input.")
@key_option
@wait_option
@token_option
@operator_command
async def create(
    data_dir: Path,
    token: str | None,
    prompt: str | None,
    kind: str,
    fields: tuple[str, ...],
    key: str | None,
    *,
    wait: bool,
    as_json: bool,
) -> None:
    """Request one job: of an infograph's PROMPT, or of the --fields of any --kind. A field that is
    no text is written as JSON.
    """
    written = fields_of(prompt, fields)
    check_json("input", written)
    async with front_door(data_dir, token) as client:
        given = await _read(client, kind, written) if fields else written
        job = await ask_once(client, "/api/jobs", key, {"kind": kind, "input": given})
        await show_ended(client, "job", job, wait=wait, as_json=as_json)


@jobs.command("list")
@click.option("--account", type=ID, help="Another account's, as an operator: without any input.")
@click.option("--status", shell_complete=among(lambda: list(JobStatus)))
@click.option("--kind", shell_complete=among(lambda: list(KINDS)))
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 100))
@token_option
@operator_command
async def list_jobs(
    data_dir: Path, token: str | None, account: AccountId | None, *, as_json: bool, **wanted: Any
) -> None:
    """List the account's jobs, newest first."""
    if account is not None:
        found = await _jobs_of(data_dir, account, **wanted)
    else:
        params = {name: value for name, value in wanted.items() if value is not None}
        async with front_door(data_dir, token) as client:
            found = (await ask(client, "GET", "/api/jobs", params=params))["items"]
    show_all(found, as_json=as_json, columns=COLUMNS if account is None else (*COLUMNS, "error"))


@jobs.command("show")
@click.argument("job_id", type=ID)
@token_option
@operator_command
async def show_job(data_dir: Path, token: str | None, job_id: str, *, as_json: bool) -> None:
    """Show one job."""
    async with front_door(data_dir, token) as client:
        show(await ask(client, "GET", f"/api/jobs/{job_id}"), as_json=as_json)


@jobs.command("watch")
@click.argument("job_id", type=ID)
@token_option
@operator_command
async def watch(data_dir: Path, token: str | None, job_id: str, *, as_json: bool) -> None:
    """Follow one job to its end; exit code 1 if it failed."""
    async with front_door(data_dir, token) as client:
        job = await ask(client, "GET", f"/api/jobs/{job_id}")
        await show_ended(client, "job", job, wait=True, as_json=as_json)


@jobs.command("cancel")
@click.argument("job_id", type=ID)
@token_option
@operator_command
async def cancel(data_dir: Path, token: str | None, job_id: str, *, as_json: bool) -> None:
    """Cancel one job; its credits come back."""
    async with front_door(data_dir, token) as client:
        show(await ask(client, "POST", f"/api/jobs/{job_id}/cancel"), as_json=as_json)


@jobs.command("retry")
@click.argument("job_id", type=ID)
@key_option
@wait_option
@token_option
@operator_command
async def retry(
    data_dir: Path, token: str | None, job_id: str, key: str | None, *, wait: bool, as_json: bool
) -> None:
    """Try a failed job again, as a new job that is paid again."""
    async with front_door(data_dir, token) as client:
        job = await ask_once(client, f"/api/jobs/{job_id}/retry", key)
        await show_ended(client, "job", job, wait=wait, as_json=as_json)


@jobs.command("delete")
@click.argument("job_id", type=ID)
@token_option
@operator_command
async def delete(data_dir: Path, token: str | None, job_id: str, *, as_json: bool) -> None:
    """Delete an infograph that has ended, and its files. Its events and entries stay."""
    async with front_door(data_dir, token) as client:
        await ask(client, "DELETE", f"/api/infographs/{job_id}/")
    show({"id": job_id, "deleted": True}, as_json=as_json)


async def _jobs_of(
    data_dir: Path, account: AccountId, status: str | None, kind: str | None, limit: int
) -> list[dict[str, Any]]:
    """Read an account's jobs from the read models. What people wrote stays sealed."""
    if status is not None and status not in set(JobStatus):
        stop_with(REFUSED, f"darkroom: status: must be one of {', '.join(JobStatus)}")
    statuses = frozenset(JobStatus) if status is None else frozenset({status})
    wanted = job_lists.Filter(account_id=account, kind=kind, statuses=statuses, limit=limit)
    async with connected(data_dir) as connection:
        await connection.catch_up()
        return [_row(job) for job in await connection.database.read(job_lists.newest, wanted)]


def _row(job: Job) -> dict[str, Any]:
    return {
        "id": job.job_id,
        "account": job.account_id,
        "kind": job.kind,
        "status": job.status,
        "price": job.price_credits,
        "provider": job.provider,
        "request_id": job.request_id,
        "attempt": job.attempt,
        "error": job.error_code,
        "retry_of": job.retry_of,
        "retried_as": job.retried_as,
        "run_id": job.run_id,
        "step": job.step,
        "created_at": text_of(job.created_at),
        "updated_at": text_of(job.updated_at),
    }


async def _read(client: httpx.AsyncClient, kind: str, written: dict[str, str]) -> dict[str, Any]:
    """Read the fields as the kind says that the front door has; it refuses any other kind."""
    kinds = (await ask(client, "GET", "/api/job-kinds"))["items"]
    schema = next((each["input_schema"] for each in kinds if each["kind"] == kind), None)
    return dict(written) if schema is None else input_of(kind, schema, written)
