"""Shows one job, at once or when it has changed; and the kinds of job there are."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import msgspec
from litestar import Response, get
from litestar.params import FromPath, FromQuery
from msgspec import Struct

from adapters.http_server import AnyRequest
from domain.job_kinds import KINDS
from domain.job_kinds.infograph import Infograph
from domain.refusals import Refused, invalid
from domain.text import published
from read_models.jobs import Job
from services.api.dependencies import Api, Injected
from services.api.documents import (
    Fields,
    JobDocument,
    ShowJob,
    Shown,
    StatusDocument,
    etag_of,
    job_document,
    poll_after_ms,
    status_document,
)
from services.api.handlers.callers import Caller

BAR_SECONDS = 1.0  # Progress moves with the time: that is a change too, and reads no rows.
WAITS_OF_TOKEN_MAX = 200  # As many jobs as an account may have in flight.
WAIT_SECONDS_MAX = 30.0


class KindDocument(Struct, frozen=True, kw_only=True):
    """A kind of job: the JSON schema of its input, and its price in credits."""

    kind: str
    title: str
    price: int
    input_schema: Fields


class KindList(Struct, frozen=True, kw_only=True):
    """The kinds of job that there are."""

    items: list[KindDocument]


@get("/status/{id:str}")
async def show_status(
    request: AnyRequest,
    api: Injected[Api],
    caller: Injected[Caller],
    id: FromPath[str],
    wait: FromQuery[float] = 0.0,
) -> Response[StatusDocument | None]:
    """One infograph's status. Sends an ETag and answers 304 to If-None-Match; `?wait=` waits."""
    return await _show(request, api, caller, id, wait, status_document, Infograph.name)


@get("/jobs/{id:str}")
async def show_job(
    request: AnyRequest,
    api: Injected[Api],
    caller: Injected[Caller],
    id: FromPath[str],
    wait: FromQuery[float] = 0.0,
) -> Response[JobDocument | None]:
    """One job. Sends an ETag and answers 304 to If-None-Match; `?wait=` waits for a change."""
    return await _show(request, api, caller, id, wait, job_document)


async def _show(
    request: AnyRequest,
    api: Api,
    caller: Caller,
    text: str,
    wait_seconds: float,
    show: ShowJob[Shown],
    kind: str | None = None,
) -> Response[Shown | None]:
    """Answer 304 when the client has the job as it is, after `wait_seconds` if it asked to wait."""
    if not 0 <= wait_seconds <= WAIT_SECONDS_MAX:
        raise invalid("wait", f"must be from 0 to {WAIT_SECONDS_MAX:g} seconds")
    known = request.headers.get("if-none-match", "")
    job = await api.job_of(caller.account_id, text, kind)
    if wait_seconds:
        job = await wait_for_news(api, caller, job, known, wait_seconds)
    etag = etag_of(api, job)
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if etag in known:
        return Response(None, status_code=304, headers=headers)
    if (pause := poll_after_ms(job)) is not None:
        headers["Retry-After"] = str(-(-pause // 1000))
    return Response(await show(api, job, None), headers=headers)


@get("/job-kinds")
async def show_job_kinds() -> KindList:
    """The kinds of job there are: title, JSON schema of the input, price in credits."""
    items = [
        KindDocument(
            kind=name,
            title=kind.title,
            price=kind.price_credits,
            input_schema=published(msgspec.json.schema(kind)),
        )
        for name, kind in KINDS.items()
    ]
    return KindList(items=items)


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
            pause = min(seconds_left, BAR_SECONDS) if known else seconds_left
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await changed.wait()
    api.note_write(job.account_id, job.sequence)
    return job


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
