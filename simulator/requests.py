"""Requests in the simulated queue: their states, and a journal so that a restart keeps them."""

import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
from msgspec import Struct

KEPT_SECONDS = 3600.0  # fal keeps results for about an hour.


class Request(Struct):
    """One accepted submission. `state` is IN_QUEUE, IN_PROGRESS or COMPLETED."""

    id: str
    endpoint: str
    arguments: dict[str, Any]
    webhook_url: str | None
    submitted_at: float
    gateway_id: str
    state: str = "IN_QUEUE"
    status: int = 200  # Of the result's GET.
    body: Any = None
    error_type: str = ""
    cancelled: bool = False

    @property
    def app_path(self) -> str:
        """The endpoint without its sub-path: status, result and cancel use only that."""
        parts = self.endpoint.split("/")
        return "/".join(parts[: 3 if parts[0] in {"workflows", "comfy"} else 2])


class Requests:
    """All requests by id, journalled as JSON lines."""

    def __init__(self, journal: Path | None) -> None:
        self.by_id: dict[str, Request] = {}
        self.posts: dict[str, int] = {}
        self._journal = journal
        if journal is not None and journal.exists():
            self._replay(journal)
        self._file = journal.open("ab") if journal is not None else None

    def accept(self, endpoint: str, arguments: dict[str, Any], webhook_url: str | None) -> Request:
        request_id = str(uuid4())
        request = Request(request_id, endpoint, arguments, webhook_url, time.time(), request_id)
        self.by_id[request.id] = request
        self.write(request)
        return request

    def count_post(self, webhook_url: str | None) -> None:
        """Count POSTs by the path of their webhook URL: it names the job."""
        job = job_of(webhook_url)
        self.posts[job] = self.posts.get(job, 0) + 1

    def open_ones(self) -> list[Request]:
        return [request for request in self.by_id.values() if request.state != "COMPLETED"]

    def write(self, request: Request) -> None:
        if self._file is not None:
            self._file.write(msgspec.json.encode(request) + b"\n")
            self._file.flush()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _replay(self, journal: Path) -> None:
        for line in journal.read_bytes().splitlines():
            try:
                request = msgspec.json.decode(line, type=Request)
            except msgspec.DecodeError:
                continue  # The last line of a process that was killed.
            if time.time() - request.submitted_at < KEPT_SECONDS:
                self.by_id[request.id] = request
        lines = [msgspec.json.encode(request) for request in self.by_id.values()]
        journal.write_bytes(b"".join(line + b"\n" for line in lines))


def job_of(webhook_url: str | None) -> str:
    """Return the last segment of a webhook URL's path: it names the job."""
    return (webhook_url or "").partition("?")[0].rstrip("/").rpartition("/")[2]
