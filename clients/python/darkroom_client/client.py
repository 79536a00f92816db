"""The client: every operation of the API, and what goes beyond single operations."""

import asyncio
from typing import Self
from urllib.parse import quote

import httpx

from darkroom_client import operations
from darkroom_client.calls import Call, Calls, Patience
from darkroom_client.connections import Connections
from darkroom_client.known import ENDS
from darkroom_client.models import Job
from darkroom_client.watching import Pace, Watch

WAIT_SECONDS_MAX = 30.0  # Of one request; then the next one waits.
JOB_SECONDS_MAX = 1200.0
USUAL_PATIENCE = Patience()
USUAL_PACE = Pace()


class Darkroom(operations.Groups):
    """A server and a token: `async with Darkroom(url, token) as client: …`. Tasks may share it.

    `transport` is another way to the server: `httpx.AsyncHTTPTransport(proxy=…)`, or one of a test.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        patience: Patience = USUAL_PATIENCE,
    ) -> None:
        self._calls = Calls(url, token, transport or Connections(), patience)
        super().__init__(self._calls)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._calls.close()

    async def wait(self, job: object, *, seconds_max: float = JOB_SECONDS_MAX) -> Job:
        """Return a job, or the job of an infograph, once it has ended, however it has. Raise
        TimeoutError when it has not in time; that changes nothing for the job.
        """
        async with asyncio.timeout(seconds_max):
            while True:
                call = Call(operations.SHOW_JOB, (_id_of(job),), query={"wait": WAIT_SECONDS_MAX})
                found = await self._calls.value(call)
                if found.status in ENDS:
                    return found

    def watch(self, *, after: str | None = None, pace: Pace = USUAL_PACE) -> Watch:
        """Follow the account: `async for change in client.watch(): …`, for as long as it is asked.
        `after` is the cursor of an earlier change: it goes on behind that one.
        """
        return Watch(self._calls, None, after, pace)

    def watch_job(self, job: object, *, after: str | None = None, pace: Pace = USUAL_PACE) -> Watch:
        """Follow a job from its present state to its last."""
        return Watch(self._calls, _id_of(job), after, pace)

    async def stream_url(self, job: object = None, *, after: str | None = None) -> str:
        """Return a URL for a browser's EventSource, with a ticket that opens it within a minute,
        and the same stream again for an hour.
        """
        ticket = (await self._calls.value(Call(operations.ISSUE_TICKET))).ticket
        place = "/api/stream" if job is None else f"/api/jobs/{quote(_id_of(job), safe='')}/stream"
        more = "" if after is None else f"&after={quote(after)}"
        return self._calls.address(f"{self._calls.base}{place}?ticket={quote(ticket)}{more}")


def _id_of(job: object) -> str:
    return job if isinstance(job, str) else str(job.id)  # type: ignore[attr-defined]
