"""Shows one job: its status, its history; and the kinds of job there are."""

import asyncio
from datetime import datetime
from typing import Any

import msgspec
from litestar import Response, get
from litestar.params import FromPath, FromQuery

from adapters.http_server import AnyRequest, AnyResponse
from application.documents import SEALED, event_document
from contracts.commit import Recorded
from contracts.events import CancellationAnswered, Event, JobFailed, JobRequested
from contracts.ids import AccountId
from domain.job_kinds import KINDS
from domain.job_kinds.infograph import Infograph
from domain.refusals import invalid
from domain.text import published
from domain.times import text_of
from read_models import job_commits
from read_models.jobs import Job
from services.api.dependencies import Api, Injected
from services.api.documents import (
    ShowJob,
    each_of,
    etag_of,
    job_document,
    poll_after_ms,
    status_document,
)
from services.api.handlers.callers import Caller
from services.api.handlers.pages import place_of
from services.api.handlers.wait_for_changes import wait_for_news

COMMITS_A_PAGE = 100
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


@get("/jobs/{id:str}/history")
async def show_history(
    api: Injected[Api],
    caller: Injected[Caller],
    id: FromPath[str],
    cursor: FromQuery[str | None] = None,
) -> dict[str, Any]:
    """All events about one job, wherever they were written, oldest first; `next` is the cursor of
    the next page, or null.
    """
    job = await api.job_of(caller.account_id, id)
    async with api.list_slots(caller.account_id):
        commits, following = await commits_of(api, job, cursor)
        about = [
            (recorded, index)
            for recorded in commits
            for index, event in enumerate(recorded.commit.events)
            if job.job_id in {getattr(event, "job_id", None), getattr(event, "retry_of", None)}
        ]
        items = await each_of(about, lambda at: _event_document(api, caller.account_id, *at))
    return {"items": items, "next": following, "as_of": api.as_of()}


async def commits_of(api: Api, job: Job, cursor: str | None) -> tuple[list[Recorded], str | None]:
    """Read a page of the commits that speak of a job, and the cursor of the next one."""
    after = place_of(cursor) or 0
    sequences = await api.database.read(job_commits.sequences, job.job_id, after, COMMITS_A_PAGE)
    found = await asyncio.gather(*(api.log.read(sequence) for sequence in sequences))
    following = str(sequences[-1]) if len(sequences) == COMMITS_A_PAGE else None
    return [recorded for recorded in found if recorded is not None], following


async def _event_document(
    api: Api, account: AccountId, recorded: Recorded, index: int
) -> dict[str, Any]:
    """An event as its owner sees it: own words readable, the provider's sealed."""
    event = recorded.commit.events[index]
    document = event_document(recorded, index) | {"account": account}
    for name in event.__struct_fields__:
        if isinstance(value := getattr(event, name), datetime):
            document["body"][name] = text_of(value)
    document["body"] |= await _own_words(api, account, event)
    return document


async def _own_words(api: Api, account: AccountId, event: Event) -> dict[str, Any]:
    """Return the fields that the owner sees otherwise than an operator does."""
    match event:
        case JobRequested(input=value):
            text = await api.vault.unseal_text(account, value)
            return {"input": msgspec.json.decode(text) if text else None}
        case JobFailed(message=message):
            return {"message": await api.vault.unseal_text(account, message)}
        case CancellationAnswered():
            return {"answer": SEALED}  # The provider's words to its customer, not to the user.
    return {}


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
