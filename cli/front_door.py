"""The front door: commands that ask over HTTP, as any client would, with a token of an account."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, NoReturn
from uuid import uuid4

import click
import httpx

from adapters.setting_types import BadValue, WebUrl, value_of
from cli.output import (
    DEPENDENCY_DOWN,
    FAILED,
    NOT_FOUND,
    REFUSED,
    USAGE,
    Stopped,
    say,
    show,
    stop_with,
)
from cli.world import World, read_world, running_world
from contracts.job_state import End

REQUEST_SECONDS = 40.0
POLL_SECONDS = 0.5
DETAIL_CHARACTERS_MAX = 500  # Of an answer that is no problem document.

token_option = click.option("--token", envvar="DARKROOM_TOKEN", help="Default: the demo account's.")
wait_option = click.option(
    "--wait", is_flag=True, help="Wait for the end; exit code 1 if it failed."
)


@asynccontextmanager
async def front_door(data_dir: Path, token: str | None) -> AsyncIterator[httpx.AsyncClient]:
    url = os.environ.get("DARKROOM_URL")
    if url is None:
        url = running_world(data_dir, "DARKROOM_URL").local_url
    headers = {"Authorization": f"Token {_token(token, url, read_world(data_dir))}"}
    async with httpx.AsyncClient(
        base_url=_checked(url), headers=headers, timeout=REQUEST_SECONDS
    ) as client:
        yield client


async def ask(client: httpx.AsyncClient, method: str, path: str, **more: Any) -> Any:
    """Send a request and return the document of the answer, None where it has none; end the command
    on any other answer.
    """
    try:
        response = await client.request(method, path, **more)
    except httpx.TransportError as error:
        reason = str(error) or "it took too long"
        stop_with(DEPENDENCY_DOWN, f"darkroom: {client.base_url} does not answer: {reason}")
    if not response.is_success:
        _refuse(response)
    if response.status_code == HTTPStatus.NO_CONTENT:
        return None
    try:
        return response.json()
    except ValueError:
        stop_with(DEPENDENCY_DOWN, f"darkroom: what answers at {client.base_url} is no Darkroom")


async def ask_once(
    client: httpx.AsyncClient, path: str, key: str | None, body: dict[str, Any] | None = None
) -> Any:
    """POST what makes something, under a key: it can be repeated where the outcome is not known."""
    key = key or str(uuid4())
    try:
        return await ask(client, "POST", path, json=body, headers={"Idempotency-Key": key})
    except Stopped as stopped:
        if stopped.code == DEPENDENCY_DOWN:
            say(f"the outcome is not known: repeat with --key {key}")
        raise


async def show_ended(
    client: httpx.AsyncClient, what: str, document: dict[str, Any], *, wait: bool, as_json: bool
) -> None:
    """Show a job or a run as it is, or wait for its end: the exit code is 1 if it failed."""
    if not wait:
        show(document, as_json=as_json)
        return
    document = await _until_ended(client, f"/api/{what}s/{document['id']}", document)
    show(document, as_json=as_json)
    status, error = document["status"], document.get("error")
    if status != "completed":
        words = "was cancelled" if status == "cancelled" else status
        stop_with(FAILED, f"the {what} {words}" + (f": {error['message']}" if error else ""))


async def _until_ended(
    client: httpx.AsyncClient, path: str, document: dict[str, Any]
) -> dict[str, Any]:
    """Ask again and again until the status is an end; report each change of it."""
    said = ""
    while document["status"] not in set(End):
        if document["status"] != said:
            said = document["status"]
            say(f"{document['id']} is {said}")
        await asyncio.sleep(POLL_SECONDS)
        document = await ask(client, "GET", path)
    return document


def _token(token: str | None, url: str, world: World | None) -> str:
    """Return the given token, or the demo account's for the front door of its own world only."""
    if token is None:
        if world is None or url.rstrip("/") not in {world.url, world.local_url}:
            stop_with(USAGE, f"darkroom: say who asks at {url}: --token, or DARKROOM_TOKEN")
        return world.tokens.get("user", "")
    if not token or not token.isascii() or not token.isprintable():
        stop_with(USAGE, "darkroom: --token: that is not a token")
    return token


def _checked(url: str) -> str:
    try:
        return str(value_of(url, WebUrl))
    except BadValue as error:
        stop_with(USAGE, f"darkroom: DARKROOM_URL: {error}")


def _refuse(response: httpx.Response) -> NoReturn:
    """End the command with what the api says: every field that is wrong, or the detail."""
    lines = _reasons(response)
    if response.status_code == HTTPStatus.UNAUTHORIZED:
        lines = ["the token is not known there, was revoked, or has ended"]
    codes = {404: NOT_FOUND, 500: FAILED, 502: DEPENDENCY_DOWN, 503: DEPENDENCY_DOWN}
    code = codes.get(response.status_code, REFUSED)
    stop_with(code, "\n".join(f"darkroom: {line}" for line in lines))


def _reasons(response: httpx.Response) -> list[str]:
    try:
        problem = response.json()
        errors = [f"{each['field']}: {each['message']}" for each in problem.get("errors", ())]
        reasons = errors or [str(problem["detail"])]
    except (ValueError, KeyError, TypeError, AttributeError):
        answer = f"{response.status_code} {response.reason_phrase}".strip()
        return [f"{response.url} answered {answer}: {response.text[:DETAIL_CHARACTERS_MAX]}"]
    if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        reasons.append(f"the request id is {problem.get('request_id', 'not known')}")
    return reasons
