"""A provider that follows a seed: takes, refuses, loses replies, calls back early, late, twice."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import Struct, structs

from adapters import fal
from application.clock import now
from contracts.ids import JobId
from domain.lost_replies import ListedRequest
from tests.faults.odd_results import result_of

Deliver = Callable[["Taken", bytes], Awaitable[None]]
DELIVERIES_MAX = 40


class Taken(Struct):
    """A job that the provider runs: whose it is stands in the webhook's URL."""

    request_id: str
    job: JobId
    attempt: str
    token: str
    body: bytes
    ok: bool
    arguments: dict[str, Any]
    sent_at: datetime
    done: bool = False


class ScriptedProvider:
    """Stands where the gateway stands. `kindly` ends all faults."""

    def __init__(self, dice: random.Random, deliver: Deliver) -> None:
        self.posts: Counter[JobId] = Counter()  # That may have been taken.
        self.taken: dict[str, Taken] = {}
        self.broken: list[str] = []
        self.kindly = False
        self._taking: Counter[str] = Counter()
        self._dice = dice
        self._deliver = deliver
        self._tasks: set[asyncio.Task[None]] = set()
        self._slow = dice.random() < 0.2  # It takes its time over everything.

    async def submit(
        self, endpoint: str, arguments: dict[str, Any], webhook_url: str | None
    ) -> fal.SubmissionOutcome:
        assert webhook_url is not None
        parts = urlsplit(webhook_url)
        query = parse_qs(parts.query)
        job, attempt = JobId(parts.path.split("/")[-2]), query["attempt"][0]
        await asyncio.sleep(self._dice.uniform(0, 4 if self._slow and not self.kindly else 0.3))
        fate = "take" if self.kindly else self._dice.choices(*_FATES)[0]
        if fate == "busy":
            return fal.SubmissionRefused("HTTP 429", 0.5, is_busy=True)
        self._count(job, attempt)
        if fate in _REFUSALS:
            return _REFUSALS[fate]
        taken = self._take(job, attempt, query["token"][0], endpoint, arguments)
        if fate == "lose":
            return fal.SubmissionUnknown("the reply was lost")
        if fate == "late":
            await asyncio.sleep(self._dice.uniform(0, 8))
        return fal.SubmissionAccepted(*structs.astuple(self.request_of("", taken.request_id)))

    def _count(self, job: JobId, attempt: str) -> None:
        self.posts[job] += 1
        self._taking[f"{job}/{attempt}"] += 1
        if self._taking[f"{job}/{attempt}"] > 1:
            self.broken.append(f"attempt {attempt} of {job} was posted twice")

    async def poll_result(self, endpoint: str, found: fal.ProviderRequest) -> fal.PollOutcome:
        del endpoint
        await asyncio.sleep(0.05)
        taken = self.taken.get(found.request_id)
        if not self.kindly and self._dice.random() < 0.2:
            return fal.NoAnswer("in trouble")
        if taken is None:
            return fal.Gone()
        if not taken.done:
            return fal.StillRunning()
        try:
            payload = msgspec.json.decode(taken.body)["payload"]
        except (msgspec.DecodeError, UnicodeDecodeError):
            return fal.Finished(taken.ok, taken.body)
        return fal.Finished(taken.ok, msgspec.json.encode(payload))

    async def cancel(self, endpoint: str, found: fal.ProviderRequest) -> str | None:
        del endpoint
        await asyncio.sleep(self._dice.uniform(0, 0.2))
        if not self.kindly and self._dice.random() < 0.3:
            return None
        return "202 \x1b[2J\x00" if found.request_id in self.taken else "404 unknown"

    async def list_requests(self, endpoint: str, since: datetime) -> list[ListedRequest] | None:
        """Like the platform's: only what has ended, and not always there."""
        del endpoint
        await asyncio.sleep(0.05)
        if not self.kindly and self._dice.random() < 0.2:
            return None
        return [
            ListedRequest(each.request_id, each.arguments, each.sent_at)
            for each in self.taken.values()
            if each.done and each.sent_at >= since
        ]

    def request_of(self, endpoint: str, request_id: str) -> fal.ProviderRequest:
        del endpoint
        url = f"https://provider/{request_id}"
        return fal.ProviderRequest(request_id, url, url, url)

    def _take(
        self, job: JobId, attempt: str, token: str, endpoint: str, arguments: dict[str, Any]
    ) -> Taken:
        request_id = f"r{len(self.taken) + 1}"
        ok = self._dice.random() < 0.8
        body = result_of(self._dice, request_id, endpoint, ok=ok)
        taken = Taken(request_id, job, attempt, token, body, ok, arguments, now())
        self.taken[request_id] = taken
        task = asyncio.create_task(self._run(taken))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return taken

    async def _run(self, taken: Taken) -> None:
        slow = self._slow and not self.kindly
        await asyncio.sleep(self._dice.uniform(0, 40 if slow else 6))
        taken.done = True
        times = self._dice.choices((0, 1, 2, 3), (2, 6, 2, 1))[0]
        for _ in range(times):
            await asyncio.sleep(self._dice.choice((0.0, 0.1, 5.0)))
            body = taken.body
            if self._dice.random() < 0.1:
                fields = {"request_id": taken.request_id, "status": "OK", "payload": None}
                body = msgspec.json.encode(fields)
            await self._deliver_until_taken(taken, body)

    async def _deliver_until_taken(self, taken: Taken, body: bytes) -> None:
        for number in range(DELIVERIES_MAX):
            try:
                await self._deliver(taken, body)
            except Exception:
                await asyncio.sleep(min(0.5 * 2**number, 10))
            else:
                return


_FATES = (
    ("take", "lose", "late", "refuse", "busy", "trouble", "reject"),
    (10, 3, 2, 2, 2, 1, 0.3),
)
_REFUSALS: dict[str, fal.SubmissionOutcome] = {
    "refuse": fal.SubmissionRefused("HTTP 503: \x00", 0.5),
    "trouble": fal.OperatorTrouble("User is locked"),
    "reject": fal.SubmissionRejected("no \x00\x7f" + "o" * 4000, is_input_refused=True),
}
