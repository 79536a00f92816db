"""Watching a server that answers as a test says: nothing is missed, nothing is told backwards."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import httpx
import msgspec
import pytest
from darkroom_client import Darkroom, Pace, Patience, watching
from darkroom_client.models import Resync
from darkroom_client.watching import Change, Watch

QUICK = Pace(poll=0.01, stream_again=0.01)
CREDITS = {"available": 1, "held": 0, "spent": 0, "granted": 1, "revoked": 0, "as_of": "a.1.0"}


def a_job(name: str, progress: int = 0, status: str = "processing") -> dict[str, Any]:
    """A job that was last changed at the second that its progress says."""
    nothing = ("request_id", "eta_seconds", "error", "retry_of", "retried_as", "run_id", "step")
    return dict.fromkeys(nothing) | {
        "id": name,
        "kind": "infograph",
        "status": status,
        "input": {"prompt": "a"},
        "price": 1,
        "provider": "simulator",
        "attempt": 1,
        "progress": progress,
        "artifacts": [],
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": f"2026-01-01T00:00:{progress:02}Z",
        "as_of": "a.1.0",
    }


def frame(event: str, place: str, data: Any) -> bytes:
    return b"event: %b\nid: %b\ndata: %b\n\n" % (
        event.encode(),
        place.encode(),
        msgspec.json.encode(data),
    )


class Server:
    """Answers each opening of a stream with the next of `streams`, and reads from `jobs`."""

    def __init__(self, *streams: bytes) -> None:
        self.streams = deque(streams)
        self.jobs: dict[str, Any] = {}
        self.refusals = 0  # How many of the next reads are refused.
        self.cursors: list[str] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/stream"):
            self.cursors.append(request.url.params.get("after", ""))
            if not self.streams:
                return httpx.Response(503, content=_pieces(b"{}"))
            return httpx.Response(200, content=_pieces(self.streams.popleft()))
        if self.refusals:
            self.refusals -= 1
            return httpx.Response(503, content=_pieces(b"{}"))
        return self._read(request.url.path)

    def _read(self, path: str) -> httpx.Response:
        document: Any = CREDITS
        if path == "/api/jobs":
            document = {"items": list(self.jobs.values()), "next": None}
        elif path.startswith("/api/jobs/"):
            document = self.jobs[path.rpartition("/")[2]]
        return httpx.Response(200, content=_pieces(msgspec.json.encode(document)))


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    yield body


def watch(server: Server, **given: Any) -> Watch:
    transport, once = httpx.MockTransport(server), Patience(attempts_max=1)
    client = Darkroom("http://server", "t", transport=transport, patience=once)
    return client.watch(pace=QUICK, **given)


async def told(watch: Watch, count: int) -> list[Change]:
    changes: AsyncGenerator[Change, None] = watch.__aiter__()  # type: ignore[assignment]
    async with aclosing(changes):
        return [await anext(changes) for _ in range(count)]


def states_of(changes: list[Change], job: str) -> list[tuple[str, int]]:
    documents: list[Any] = [each.document for each in changes]
    return [(each.status, each.progress) for each in documents if getattr(each, "id", "") == job]


async def test_a_resync_that_could_not_be_completed_is_asked_for_again() -> None:
    resync = frame("resync", "b.9.0", {"jobs": [a_job("new", 1)], "runs": [], "credits": CREDITS})
    server = Server(frame("job", "a.2.1", a_job("old", 1)), resync, resync)
    server.jobs["old"] = a_job("old", 100, "completed") | {"updated_at": "2026-01-01T00:01:00Z"}
    server.refusals = 1  # Of what has to be read about the job that the resync lacks.
    changes = await told(watch(server), 3)
    assert server.cursors == ["", "a.2.1", "a.2.1"]
    assert isinstance(changes[1].document, Resync)
    assert states_of(changes, "old") == [("processing", 1), ("completed", 100)]


async def test_only_the_last_change_of_a_resync_leads_behind_it() -> None:
    resync = frame("resync", "b.9.0", {"jobs": [], "runs": [], "credits": CREDITS})
    server = Server(frame("job", "a.2.1", a_job("old", 1)), resync)
    server.jobs["old"] = a_job("old", 2, "completed")
    changes = await told(watch(server), 3)
    assert [each.cursor for each in changes] == ["a.2.1", "a.2.1", "b.9.0"]


async def test_an_older_state_is_not_told_after_a_newer_one() -> None:
    server = Server(
        frame("job", "a.2.1", a_job("j", 30)),
        frame("job", "a.2.1", a_job("j", 20)) + frame("job", "a.3.1", a_job("j", 40)),
    )
    changes = await told(watch(server), 2)
    assert states_of(changes, "j") == [("processing", 30), ("processing", 40)]


async def test_an_end_is_told_though_its_clock_is_behind() -> None:
    end = a_job("j", 100, "completed") | {"updated_at": "2026-01-01T00:00:10Z"}
    changes = await told(
        watch(Server(frame("job", "a.2.1", a_job("j", 30)) + frame("job", "a.3.1", end))), 2
    )
    assert states_of(changes, "j") == [("processing", 30), ("completed", 100)]


async def test_a_server_that_ends_every_stream_at_once_is_not_asked_in_a_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []

    async def note(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", note)
    greetings = [b"retry: 2000\nid: a.1.0\n\n"] * 9
    server = Server(*greetings, frame("job", "a.2.1", a_job("j", 30)))
    await told(watch(server), 1)
    assert sum(pauses) > 0.5 * watching.STREAM_PAUSE_SECONDS * len(greetings)
