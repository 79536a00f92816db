"""Artifacts are served from every store: whole, in ranges, and so that nothing in them can run."""

import os
from collections.abc import AsyncIterator

import httpx
import pytest
from litestar import Litestar
from litestar.di import Provide
from msgspec import Struct

from adapters.http_server import guarded
from adapters.storage import Storage
from services.api.handlers.answer_errors import on_error
from services.api.handlers.serve_artifacts import describe_artifact, serve_artifact


class Shelf(Struct):
    """As much of the api as its handlers need to serve artifacts."""

    storage: Storage


@pytest.fixture
async def front_door(storage: Storage) -> AsyncIterator[httpx.AsyncClient]:
    app = Litestar(
        [serve_artifact, describe_artifact],
        dependencies={"api": Provide(lambda: Shelf(storage), sync_to_thread=False)},
        exception_handlers={Exception: on_error},
        openapi_config=None,
        logging_config=None,
    )
    transport = httpx.ASGITransport(guarded(app))
    async with httpx.AsyncClient(transport=transport, base_url="http://x/artifacts/") as client:
        yield client


async def test_ranges_of_what_is_stored_are_served(
    storage: Storage, front_door: httpx.AsyncClient
) -> None:
    body = os.urandom(600_001)
    await storage.put("artifacts/b1.mp4", body)
    whole = await front_door.get("b1.mp4")
    assert (whole.status_code, whole.content) == (200, body)
    assert (whole.headers["accept-ranges"], whole.headers["content-type"]) == ("bytes", "video/mp4")
    for asked, expected, place in (
        ("bytes=0-9", body[:10], "bytes 0-9/600001"),
        ("bytes=100-400000", body[100:400_001], "bytes 100-400000/600001"),
        ("bytes=600000-", body[-1:], "bytes 600000-600000/600001"),
        ("bytes=-300000", body[-300_000:], "bytes 300001-600000/600001"),
    ):
        part = await front_door.get("b1.mp4", headers={"Range": asked})
        assert (part.status_code, part.headers["content-range"]) == (206, place)
        assert int(part.headers["content-length"]) == len(expected)
        assert part.content == expected, asked
        assert part.headers["etag"] == whole.headers["etag"]


async def test_a_range_that_is_not_there_is_a_416_with_the_size(
    storage: Storage, front_door: httpx.AsyncClient
) -> None:
    await storage.put("artifacts/b2.mp4", b"0123456789")
    answer = await front_door.get("b2.mp4", headers={"Range": "bytes=10-"})
    assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */10")
    assert answer.json()["code"] == "range_not_satisfiable"
    none = await front_door.get("never.mp4", headers={"Range": "bytes=10-"})
    assert none.status_code == 404


async def test_conditions_are_looked_at_before_ranges(
    storage: Storage, front_door: httpx.AsyncClient
) -> None:
    await storage.put("artifacts/b3.mp4", b"0123456789")
    asked = {"Range": "bytes=0-1"}
    for condition, status in (
        ({"If-None-Match": '"b3"'}, 304),
        ({"If-Range": '"b3"'}, 206),
        ({"If-Range": '"b4"'}, 200),
    ):
        answer = await front_door.get("b3.mp4", headers=asked | condition)
        assert answer.status_code == status, condition


async def test_a_head_is_answered_without_the_file(
    storage: Storage, front_door: httpx.AsyncClient
) -> None:
    await storage.put("artifacts/b4.glb", b"0123456789")
    answer = await front_door.head("b4.glb", headers={"Range": "bytes=0-1"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == "10"
    assert answer.headers["content-type"] == "model/gltf-binary"
    assert (await front_door.head("never.glb")).status_code == 404


SERVED = {
    "c.png": ("image/png", "inline"),
    "c.mp4": ("video/mp4", "inline"),
    "c.wav": ("audio/wav", "inline"),
    "c.txt": ("text/plain; charset=utf-8", "inline"),
    "c.json": ("application/json", "inline"),
    "c.pdf": ("application/pdf", "attachment"),
    "c.glb": ("model/gltf-binary", "attachment"),
    "c.html": ("application/octet-stream", "attachment"),
    "c": ("application/octet-stream", "attachment"),
}


async def test_a_browser_runs_nothing_of_what_is_served(
    storage: Storage, front_door: httpx.AsyncClient
) -> None:
    for name, (media_type, disposition) in SERVED.items():
        await storage.put(f"artifacts/{name}", b"<script>alert(1)</script>")
        headers = (await front_door.get(name)).headers
        assert headers["content-type"] == media_type
        assert headers["content-disposition"] == disposition
        assert headers["x-content-type-options"] == "nosniff"
        rules = headers["content-security-policy"].split("; ")
        assert rules[0] == "default-src 'none'"
        assert rules[-1].startswith("sandbox"), "a page in a sandbox runs no script"
        assert "allow-scripts" not in rules[-1]
