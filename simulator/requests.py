"""Requests in the simulated queue: their states, kept for as long as the provider keeps them."""

import time
from typing import Any
from uuid import uuid4

import msgspec
from msgspec import Struct, structs

from simulator.journal import Journal

KEPT_SECONDS = 3600.0  # fal keeps results for about an hour.


class QueueRequest(Struct):
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
    failures: dict[str, str] = {}  # Stage -> what goes wrong there. Never in the journal.

    @property
    def app_path(self) -> str:
        """The endpoint without its sub-path: status, result and cancel use only that."""
        parts = self.endpoint.split("/")
        return "/".join(parts[: 3 if parts[0] in {"workflows", "comfy"} else 2])


class QueueRequests:
    """All requests by id, written to a journal so that a restart goes on with them."""

    def __init__(self, journal: Journal | None) -> None:
        self.by_id: dict[str, QueueRequest] = {}
        self.posts: dict[str, int] = {}
        self._journal = journal
        if journal is not None:
            self._replay(journal)

    def accept(
        self, endpoint: str, arguments: dict[str, Any], webhook_url: str | None
    ) -> QueueRequest:
        own_id, at = str(uuid4()), time.time()
        request = QueueRequest(own_id, endpoint, arguments, webhook_url, at, own_id)
        self.by_id[request.id] = request
        self.write(request)
        return request

    def count_post(self, webhook_url: str | None) -> None:
        """Count the POSTs of each job, which the webhook URL names."""
        job = job_of(webhook_url)
        self.posts[job] = self.posts.get(job, 0) + 1

    def open_ones(self) -> list[QueueRequest]:
        return [request for request in self.by_id.values() if request.state != "COMPLETED"]

    def write(self, request: QueueRequest) -> None:
        if self._journal is None:
            return
        self._journal.write(_entry_of(request))
        if self._journal.is_full:
            self._prune(self._journal)

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()

    def _replay(self, journal: Journal) -> None:
        for entry in journal.read():
            request = msgspec.json.decode(entry, type=QueueRequest)
            self.by_id[request.id] = request
        self._prune(journal)

    def _prune(self, journal: Journal) -> None:
        """Forget requests that are older than results are kept, here and in the journal."""
        oldest = time.time() - KEPT_SECONDS
        self.by_id = {
            request.id: request
            for request in self.by_id.values()
            if request.submitted_at >= oldest or request.state != "COMPLETED"
        }
        journal.replace([_entry_of(request) for request in self.by_id.values()])


def _entry_of(request: QueueRequest) -> bytes:
    return msgspec.json.encode(structs.replace(request, failures={}))


def job_of(webhook_url: str | None) -> str:
    """Return the id of the job, which is the last segment of a webhook URL's path."""
    return (webhook_url or "").partition("?")[0].rstrip("/").rpartition("/")[2]
