"""Shows one job, at once or when it has changed; and the kinds of job there are."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from litestar import Response, get
from litestar.params import FromPath, FromQuery

from adapters.http_server import AnyRequest, AnyResponse
from domain.job_kinds import KINDS
from domain.job_kinds.infograph import Infograph
from domain.refusals import Refused, invalid
from domain.text import published
from read_models.jobs import Job
from services.api.dependencies import Api, Injected
from services.api.documents import (
    ShowJob,
    etag_of,
    job_document,
    poll_after_ms,
    status_document,
)
from services.api.handlers.callers import Caller

BAR_SECONDS = 1.0  # Progress moves with the time: that is a change too, and reads no rows.
WAITS_OF_TOKEN_MAX = 200  # As many jobs as an account may have in flight.
WAIT_SECONDS_MAX = 30.0


@get("/status/{id:str}")
async def show_status(
    request: AnyRequest,
    api: Injected[Api],
    caller: Injected[Caller],
    id: FromPath[str],
    wait: FromQuery[float] = 0.0,
) -> AnyResponse:
    """One infograph's status. Sends an ETag and answers 304 to If-None-Match; `?wait=` waits."""
    known = request.headers.get("if-none-match", "")
    found = await find_job(api, caller, id, Infograph.name, known=known, wait_seconds=wait)
    return await _unless_known(api, found, known, status_document)


@get("/jobs/{id:str}")
async def show_job(
    request: AnyRequest,
    api: Injected[Api],
    caller: Injected[Caller],
    id: FromPath[str],
    wait: FromQuery[float] = 0.0,
) -> AnyResponse:
    """One job. Sends an ETag and answers 304 to If-None-Match; `?wait=` waits for a change."""
    known = request.headers.get("if-none-match", "")
    found = await find_job(api, caller, id, known=known, wait_seconds=wait)
    return await _unless_known(api, found, known, job_document)


async def find_job(
    api: Api,
    caller: Caller,
    text: str,
    kind: str | None = None,
    *,
    known: str = "",
    wait_seconds: float = 0.0,
) -> Job:
    """Return the caller's job, of this kind if one is given. With `wait_seconds`, return when its
    ETag is not in `known` any more, or after that time.
    """
    if not 0 <= wait_seconds <= WAIT_SECONDS_MAX:
        raise invalid("wait", f"must be from 0 to {WAIT_SECONDS_MAX:g} seconds")
    job = await api.job_of(caller.account_id, text, kind)
    return await wait_for_news(api, caller, job, known, wait_seconds) if wait_seconds else job


async def _unless_known(api: Api, job: Job, known: str, show: ShowJob) -> AnyResponse:
    """Answer 304 when the client has the job as it is."""
    etag = etag_of(api, job)
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if etag in known:
        return Response(None, status_code=304, headers=headers)
    if (pause := poll_after_ms(job)) is not None:
        headers["Retry-After"] = str(-(-pause // 1000))
    return Response(await show(api, job), headers=headers)


@get("/job-kinds")
async def show_job_kinds() -> dict[str, Any]:
    """The kinds of job there are: title, JSON schema of the input, price in credits."""
    return {
        "items": [
            {
                "kind": name,
                "title": kind.title,
                "price": kind.price_credits,
                "input_schema": published(msgspec.json.schema(kind)),
            }
            for name, kind in KINDS.items()
        ]
    }


async def wait_for_news(api: Api, caller: Caller, job: Job, known: str, seconds: float) -> Job:
    """Wait until the job's ETag is not in `known` any more; without `known`, until the job has
    ended. Raise Refused when too many of the token's requests wait, or the token was revoked.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + seconds
    with (
        _one_more(api, caller.token_id),
        api.changes.watch([job.job_id]) as changed,
        api.authenticator.following(caller, changed.set) as connected,
    ):
        changed.set()  # It may have changed since it was read.
        while (seconds_left := deadline - clock()) > 0:
            if connected.is_over:
                raise Refused("unauthorized", "the token was revoked")
            if changed.is_set():
                changed.clear()
                job = (await api.jobs_by_id([job.job_id])).get(job.job_id, job)
            if job.status.is_end or (known and etag_of(api, job) not in known):
                break
            await _until(changed, min(seconds_left, BAR_SECONDS) if known else seconds_left)
    api.note_write(job.account_id, job.sequence)
    return job


async def _until(changed: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await changed.wait()
    except TimeoutError:
        return


@contextmanager
def _one_more(api: Api, token_id: str) -> Iterator[None]:
    waiting = api.waits.get(token_id, 0)
    if waiting >= WAITS_OF_TOKEN_MAX:
        raise Refused("too_many_waits", f"{WAITS_OF_TOKEN_MAX} are waiting; use a stream")
    api.waits[token_id] = waiting + 1
    try:
        yield
    finally:
        api.waits[token_id] -= 1
        if not api.waits[token_id]:
            del api.waits[token_id]
