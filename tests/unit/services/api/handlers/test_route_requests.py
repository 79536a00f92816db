"""Paths: what each takes, and what is answered to anything else."""

import json
from typing import Any

import pytest

from services.api.app import build
from tests.support.streaming import Projected


async def answer_to(method: str, path: str) -> tuple[int, dict[str, str], Any]:
    sent: list[dict[str, Any]] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope: Any = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "query_string": b"",
        "root_path": "",
        "headers": [],
        "client": ("::1", 1),
        "server": ("localhost", 1),
    }
    await build(Projected().api)(scope, receive, send)
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, json.loads(sent[1]["body"])


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/api/jobs", "GET, OPTIONS, POST"),
        ("DELETE", "/api/infographs/create", "OPTIONS, POST"),  # No infograph is named `create`.
        ("POST", "/health/live/", "GET, OPTIONS"),
    ],
)
async def test_a_method_that_a_path_does_not_take_is_refused_with_those_that_it_takes(
    method: str, path: str, allowed: str
) -> None:
    status, headers, document = await answer_to(method, path)
    assert (status, document["code"], headers["allow"]) == (405, "method_not_allowed", allowed)


async def test_whoever_has_no_token_is_told_how_to_send_one() -> None:
    status, headers, document = await answer_to("GET", "/api/credits")
    assert (status, document["code"]) == (401, "unauthorized")
    assert headers["www-authenticate"] == 'Token realm="darkroom"'
