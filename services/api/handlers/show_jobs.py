"""Shows jobs: their status, lists of them, their histories, the kinds there are."""

import asyncio
import re
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
from domain.job_status import JobStatus
from domain.refusals import invalid
from domain.text import published
from domain.times import text_of
from read_models import job_commits, job_lists
from read_models.job_lists import Filter
from read_models.jobs import Job
from services.api.dependencies import Api, api_of
from services.api.documents import (
    each_of,
    etag_of,
    job_document,
    list_document,
    poll_after_ms,
    status_document,
)
from services.api.handlers.authenticate_callers import authenticator_of, caller_of
from services.api.handlers.wait_for_changes import wait_for_news

LIMIT_MAX = 100
COMMITS_A_PAGE = 100
WAIT_SECONDS_MAX = 30.0
_PAGE = re.compile(r"[0-9]{1,18}", re.ASCII)


@get("/status/{id:str}")
async def show_status(
    request: AnyRequest,
    id: FromPath[str],  # noqa: A002
    wait: FromQuery[float] = 0.0,
) -> AnyResponse:
    """One infograph's status. Sends an ETag and answers 304 to If-None-Match; `?wait=` waits."""
    return await _conditional(request, id, wait, status_document, Infograph.name)


@get("/jobs/{id:str}")
async def show_job(
    request: AnyRequest,
    id: FromPath[str],  # noqa: A002
    wait: FromQuery[float] = 0.0,
) -> AnyResponse:
    """One job. Sends an ETag and answers 304 to If-None-Match; `?wait=` waits for a change."""
    return await _conditional(request, id, wait, job_document)


async def _conditional(
    request: AnyRequest, text: str, wait_seconds: float, document: Any, kind: str | None = None
) -> AnyResponse:
    if not 0 <= wait_seconds <= WAIT_SECONDS_MAX:
        raise invalid("wait", f"must be from 0 to {WAIT_SECONDS_MAX:g} seconds")
    api, known = api_of(request), request.headers.get("if-none-match", "")
    job = await api.job_of(caller_of(request).account_id, text, kind)
    if wait_seconds:
        caller = caller_of(request)
        stays = authenticator_of(request)
        job = await wait_for_news(api, stays, caller, job, known, wait_seconds)
    etag = etag_of(api, job)
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if etag in known:
        return Response(None, status_code=304, headers=headers)
    if (pause := poll_after_ms(job)) is not None:
        headers["Retry-After"] = str(-(-pause // 1000))
    return Response(await document(api, job), headers=headers)


@get("/list")
async def list_infographs(
    request: AnyRequest,
    status: FromQuery[str | None] = None,
    limit: FromQuery[int] = 50,
    cursor: FromQuery[str | None] = None,
) -> AnyResponse:
    """The account's infographs, newest first, as a bare array; `Link` leads to the next page."""
    api = api_of(request)
    async with api.lane(caller_of(request).account_id):
        found = await _page(request, "infograph", status, limit, cursor)
        items = await each_of(found, lambda job: list_document(api, job))
    headers = {}
    if len(found) == limit:
        query = f"?limit={limit}&cursor={_cursor(found[-1])}" + (
            f"&status={status}" if status else ""
        )
        path = f"{api.settings.origin}/api/infographs/list/{query}"
        headers["Link"] = f'<{path}>; rel="next"'
    return Response(items, headers=headers)


@get("/jobs")
async def list_jobs(
    request: AnyRequest,
    kind: FromQuery[str | None] = None,
    status: FromQuery[str | None] = None,
    limit: FromQuery[int] = 50,
    cursor: FromQuery[str | None] = None,
) -> dict[str, Any]:
    """The account's jobs, newest first; `next` is the cursor of the next page, or null."""
    api = api_of(request)
    async with api.lane(caller_of(request).account_id):
        found = await _page(request, kind, status, limit, cursor)
        items = await each_of(found, lambda job: job_document(api, job))
    return {"items": items, "next": _cursor(found[-1]) if len(found) == limit else None}


async def _page(
    request: AnyRequest, kind: str | None, status: str | None, limit: int, cursor: str | None
) -> list[Job]:
    if not 1 <= limit <= LIMIT_MAX:
        raise invalid("limit", f"must be from 1 to {LIMIT_MAX}")
    wanted = Filter(
        account_id=caller_of(request).account_id,
        kind=kind,
        statuses=_statuses(status),
        before=_place_of(cursor),
        limit=limit,
    )
    return await api_of(request).database.read(job_lists.newest, wanted)


def _statuses(text: str | None) -> frozenset[str]:
    """Read `?status=`, in any case; `failed` includes the cancelled, as the views show them."""
    if text is None:
        return frozenset(JobStatus)
    known = text.lower()
    if known not in set(JobStatus):
        raise invalid("status", f"must be one of {', '.join(JobStatus)}")
    return frozenset({known, "cancelled"} if known == "failed" else {known})


def _place_of(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if _PAGE.fullmatch(cursor) is None:
        raise invalid("cursor", "is not a cursor of this list")
    return int(cursor)


def _cursor(job: Job) -> str:
    return str(job.place)


@get("/jobs/{id:str}/history")
async def show_history(
    request: AnyRequest,
    id: FromPath[str],  # noqa: A002
    cursor: FromQuery[str | None] = None,
) -> dict[str, Any]:
    """All events about one job, wherever they were written, oldest first; `next` is the cursor of
    the next page, or null.
    """
    api, caller = api_of(request), caller_of(request)
    job = await api.job_of(caller.account_id, id)
    async with api.lane(caller.account_id):
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
    after = _place_of(cursor) or 0
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
