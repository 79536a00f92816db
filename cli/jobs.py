"""`darkroom jobs`: jobs over HTTP, as any client would ask for them."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, NoReturn

import click
import httpx

from adapters.setting_types import BadValue, WebUrl, value_of
from cli.connection import running_world
from cli.job_fields import fields_of, input_of
from cli.output import (
    DEPENDENCY_DOWN,
    FAILED,
    NOT_FOUND,
    REFUSED,
    USAGE,
    operator_command,
    say,
    show,
    show_all,
    stop_with,
)
from cli.world import World, read_world
from contracts.ids import checked
from domain.statuses import JobStatus
from domain.text import check_json

POLL_SECONDS = 0.5
token_option = click.option("--token", envvar="DARKROOM_TOKEN", help="Default: the demo account's.")


@click.group()
def jobs() -> None:
    """Create, list, show, watch and cancel jobs. DARKROOM_URL names another front door."""


@jobs.command("create")
@click.argument("prompt", required=False)
@click.option("--kind", default="infograph", show_default=True)
@click.option("--field", "fields", multiple=True, metavar="NAME=VALUE", help="Of the input.")
@click.option("--wait", is_flag=True, help="Wait for the end; exit code 1 if it failed.")
@token_option
@operator_command
async def create(
    data_dir: Path,
    token: str | None,
    prompt: str | None,
    kind: str,
    fields: tuple[str, ...],
    *,
    wait: bool,
    as_json: bool,
) -> None:
    """Request one job: of an infograph's PROMPT, or of the --fields of any --kind. A field that is
    no text is written as JSON.
    """
    written = fields_of(prompt, fields)
    check_json("input", written)
    async with _client(data_dir, token) as client:
        given = await _read(client, kind, written) if fields else written
        job = await ask(client, "POST", "/api/jobs", json={"kind": kind, "input": given})
        if wait:
            job = await _until_ended(client, job)
    show(job, as_json=as_json)
    if wait:
        _require_completed(job)


@jobs.command("list")
@click.option("--status")
@click.option("--kind")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 100))
@token_option
@operator_command
async def list_jobs(data_dir: Path, token: str | None, *, as_json: bool, **wanted: Any) -> None:
    """List the account's jobs, newest first."""
    params = {name: value for name, value in wanted.items() if value is not None}
    async with _client(data_dir, token) as client:
        page = await ask(client, "GET", "/api/jobs", params=params)
    jobs_found, names = page["items"], ("id", "kind", "status", "created_at")
    rows = jobs_found if as_json else [{name: job[name] for name in names} for job in jobs_found]
    show_all(rows, as_json=as_json)


@jobs.command("show")
@click.argument("job_id")
@token_option
@operator_command
async def show_job(data_dir: Path, token: str | None, job_id: str, *, as_json: bool) -> None:
    """Show one job."""
    async with _client(data_dir, token) as client:
        show(await ask(client, "GET", f"/api/jobs/{checked(job_id)}"), as_json=as_json)


@jobs.command("watch")
@click.argument("job_id")
@token_option
@operator_command
async def watch(data_dir: Path, token: str | None, job_id: str, *, as_json: bool) -> None:
    """Follow one job to its end; exit code 1 if it failed."""
    async with _client(data_dir, token) as client:
        job = await _until_ended(client, await ask(client, "GET", f"/api/jobs/{checked(job_id)}"))
    show(job, as_json=as_json)
    _require_completed(job)


@jobs.command("cancel")
@click.argument("job_id")
@token_option
@operator_command
async def cancel(data_dir: Path, token: str | None, job_id: str, *, as_json: bool) -> None:
    """Cancel one job; its credits come back."""
    async with _client(data_dir, token) as client:
        show(await ask(client, "POST", f"/api/jobs/{checked(job_id)}/cancel"), as_json=as_json)


async def _read(client: httpx.AsyncClient, kind: str, written: dict[str, str]) -> dict[str, Any]:
    """Read the fields as the kind says that the front door has; it refuses any other kind."""
    kinds = (await ask(client, "GET", "/api/job-kinds"))["items"]
    schema = next((each["input_schema"] for each in kinds if each["kind"] == kind), None)
    return dict(written) if schema is None else input_of(kind, schema, written)


async def _until_ended(client: httpx.AsyncClient, job: dict[str, Any]) -> dict[str, Any]:
    said = ""
    while not JobStatus(job["status"]).is_end:
        if job["status"] != said:
            said = job["status"]
            say(f"{job['id']} is {said}")
        await asyncio.sleep(POLL_SECONDS)
        job = await ask(client, "GET", f"/api/jobs/{job['id']}")
    return job


def _require_completed(job: dict[str, Any]) -> None:
    if job["status"] != JobStatus.COMPLETED:
        stop_with(FAILED, f"the job {job['status']}")


@asynccontextmanager
async def _client(data_dir: Path, token: str | None) -> AsyncIterator[httpx.AsyncClient]:
    url = os.environ.get("DARKROOM_URL")
    if url is None:
        url = running_world(data_dir, "DARKROOM_URL").local_url
    headers = {"Authorization": f"Token {_token(token, url, read_world(data_dir))}"}
    async with httpx.AsyncClient(base_url=_checked(url), headers=headers, timeout=40.0) as client:
        yield client


def _token(token: str | None, url: str, world: World | None) -> str:
    """Return the given token, or the demo account's for the front door of its own world only."""
    if token is None:
        if world is None or url.rstrip("/") not in {world.url, world.local_url}:
            stop_with(USAGE, f"darkroom: say whose jobs at {url}: --token, or DARKROOM_TOKEN")
        return world.tokens.get("user", "")
    if not token or not token.isascii() or not token.isprintable():
        stop_with(USAGE, "darkroom: --token: that is not a token")
    return token


def _checked(url: str) -> str:
    try:
        return str(value_of(url, WebUrl))
    except BadValue as error:
        stop_with(USAGE, f"darkroom: DARKROOM_URL: {error}")


async def ask(client: httpx.AsyncClient, method: str, path: str, **more: Any) -> dict[str, Any]:
    """Send a request and return the document of the answer; end the command on any other one."""
    try:
        response = await client.request(method, path, **more)
    except httpx.TransportError as error:
        reason = str(error) or type(error).__name__
        stop_with(DEPENDENCY_DOWN, f"darkroom: {client.base_url} does not answer: {reason}")
    if not response.is_success:
        _refuse(response)
    document: dict[str, Any] = response.json()
    return document


def _refuse(response: httpx.Response) -> NoReturn:
    """End the command with what the api says."""
    try:
        detail = response.json().get("detail", response.text)
    except ValueError:
        detail = response.text
    if response.status_code == HTTPStatus.UNAUTHORIZED:
        detail = "the token is not known there, was revoked, or has ended"
    codes = {404: NOT_FOUND, 503: DEPENDENCY_DOWN}
    stop_with(codes.get(response.status_code, REFUSED), f"darkroom: {detail}")
