"""A provider that follows a seed: takes, refuses, loses replies, calls back early, late, twice."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from adapters import fal
from adapters.clock import now
from contracts.ids import AccountId, JobId
from domain.job_kinds.funnel_step import FunnelStep

Deliver = Callable[["Taken", bytes], Awaitable[None]]
DELIVERIES_MAX = 40


class Taken(Struct):
    """A job that the provider runs: whose it is stands in the webhook's URL."""

    request_id: str
    job: JobId
    attempt: int
    account: AccountId
    body: bytes
    ok: bool
    arguments: dict[str, Any]
    sent_at: datetime
    done: bool = False


class ScriptedProvider:
    """Stands where the gateway stands: `submit`, `look`, `cancel`. `kindly` ends all faults."""

    def __init__(self, dice: random.Random, deliver: Deliver) -> None:
        self.posts: Counter[JobId] = Counter()
        self.taken: dict[str, Taken] = {}
        self.kindly = False
        self._dice = dice
        self._deliver = deliver
        self._tasks: set[asyncio.Task[None]] = set()

    async def submit(
        self, endpoint: str, arguments: dict[str, Any], webhook_url: str | None
    ) -> fal.Submission:
        assert webhook_url is not None
        job, attempt, account = webhook_url.split("/")
        self.posts[JobId(job)] += 1
        await asyncio.sleep(self._dice.uniform(0, 0.3))
        fate = "take" if self.kindly else self._dice.choices(*_FATES)[0]
        if fate in _REFUSALS:
            return _REFUSALS[fate]
        taken = self._take(JobId(job), int(attempt), AccountId(account), endpoint, arguments)
        if fate == "lose":
            return fal.OutcomeUnknown("the reply was lost")
        if fate == "late":
            await asyncio.sleep(self._dice.uniform(0, 8))
        return self.known("", taken.request_id)

    async def look(self, endpoint: str, found: fal.Accepted) -> fal.Look:
        del endpoint
        await asyncio.sleep(0.05)
        taken = self.taken.get(found.request_id)
        if not self.kindly and self._dice.random() < 0.2:
            return fal.NoAnswer("in trouble")
        if taken is None:
            return fal.Gone()
        if not taken.done:
            return fal.StillRunning()
        payload = msgspec.json.decode(taken.body)["payload"]
        return fal.Finished(taken.ok, msgspec.json.encode(payload))

    async def cancel(self, endpoint: str, found: fal.Accepted) -> str | None:
        del endpoint
        if not self.kindly and self._dice.random() < 0.3:
            return None
        return "202 requested" if found.request_id in self.taken else "404 unknown"

    async def listed(self, endpoint: str, since: datetime) -> list[fal.Listed] | None:
        """Like the platform's: only what has ended, and not always there."""
        del endpoint
        await asyncio.sleep(0.05)
        if not self.kindly and self._dice.random() < 0.2:
            return None
        return [
            fal.Listed(each.request_id, each.sent_at, each.arguments)
            for each in self.taken.values()
            if each.done and each.sent_at >= since
        ]

    def known(self, endpoint: str, request_id: str) -> fal.Accepted:
        del endpoint
        url = f"https://provider/{request_id}"
        return fal.Accepted(request_id, url, url, url)

    def _take(
        self,
        job: JobId,
        attempt: int,
        account: AccountId,
        endpoint: str,
        arguments: dict[str, Any],
    ) -> Taken:
        request_id = f"r{len(self.taken) + 1}"
        ok = self._dice.random() < 0.8
        payload: dict[str, Any] = {"images": [{"url": "https://media/a.png"}]}
        if endpoint == FunnelStep.endpoint:
            payload = {"output": f"text {request_id}"}
        if not ok:
            payload = {"detail": [{"type": "content_policy_violation", "msg": "no"}]}
        fields = {"request_id": request_id, "status": "OK" if ok else "ERROR", "payload": payload}
        body = msgspec.json.encode(fields)
        taken = Taken(request_id, job, attempt, account, body, ok, arguments, now())
        self.taken[request_id] = taken
        task = asyncio.create_task(self._run(taken))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return taken

    async def _run(self, taken: Taken) -> None:
        await asyncio.sleep(self._dice.uniform(0, 6))
        taken.done = True
        times = self._dice.choices((0, 1, 2, 3), (2, 6, 2, 1))[0]
        for _ in range(times):
            await asyncio.sleep(self._dice.choice((0.0, 0.1, 5.0)))
            body = taken.body
            if self._dice.random() < 0.1:
                fields = msgspec.json.decode(body) | {"payload": None}
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
    ("take", "lose", "late", "refuse", "trouble", "reject"),
    (10, 3, 2, 3, 1, 0.3),
)
_REFUSALS: dict[str, fal.Submission] = {
    "refuse": fal.Refused("HTTP 429", 0.5),
    "trouble": fal.OperatorTrouble(403, "User is locked"),
    "reject": fal.Rejected(422, "no"),
}
