"""Shows what happened to a job: its events, or a log of them in words, oldest first."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal

import msgspec
from litestar import get
from litestar.params import FromPath, FromQuery
from msgspec import Struct

from application.documents import SEALED, EventDocument, Time, event_document
from contracts.commit import Recorded
from contracts.events import (
    AttemptFailed,
    CancellationAnswered,
    Event,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobRequested,
    JobSubmitted,
    ResultReceived,
    RunStepStarted,
    SubmissionStarted,
)
from contracts.ids import AccountId
from domain.refusals import JOB_CODES
from domain.times import text_of
from read_models import job_commits
from read_models.jobs import Job
from services.api.dependencies import Api, Injected
from services.api.documents import each_of
from services.api.handlers.callers import Caller
from services.api.handlers.pages import place_of

COMMITS_A_PAGE = 100
LogLevel = Literal["info", "warning", "error"]
_LINES: dict[type[Event], tuple[LogLevel, Callable[[Any], str]]] = {
    JobRequested: ("info", lambda event: f"asked for; {event.price_credits} credits are held"),
    RunStepStarted: ("info", lambda event: f"step {event.step} is let go by its run"),
    SubmissionStarted: ("info", lambda event: f"attempt {event.attempt} goes to the provider"),
    JobSubmitted: ("info", lambda event: f"the provider has it as {event.request_id}"),
    AttemptFailed: ("warning", lambda event: f"attempt {event.attempt}: {event.code}"),
    ResultReceived: ("info", lambda event: f"a result came by {event.via.value}"),
    JobCompleted: ("info", lambda event: f"completed with {len(event.artifacts)} artifact(s)"),
    JobFailed: ("error", lambda event: JOB_CODES.get(event.code, "It failed.")),
    JobCancelled: ("warning", lambda _: "cancelled"),
}


class EventPage(Struct, frozen=True, kw_only=True):
    """Some events, oldest first; `next` is the cursor of the next page, or null."""

    items: list[EventDocument]
    next: str | None
    as_of: str


class LogLine(Struct, frozen=True, kw_only=True):
    """What happened, in words."""

    at: Time
    level: LogLevel
    message: str


class ProviderReport(Struct, frozen=True, kw_only=True):
    """What the provider said last about a job that is under way there."""

    queue_position: int | None
    lines: list[str]


class LogPage(Struct, frozen=True, kw_only=True):
    """Some lines, oldest first; `next` is the cursor of the next page, or null."""

    items: list[LogLine]
    next: str | None
    provider: ProviderReport | None
    as_of: str


@get("/jobs/{id:str}/history")
async def show_history(
    api: Injected[Api],
    caller: Injected[Caller],
    id: FromPath[str],
    cursor: FromQuery[str | None] = None,
) -> EventPage:
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
    return EventPage(items=items, next=following, as_of=api.as_of())


@get("/jobs/{id:str}/logs")
async def show_logs(
    api: Injected[Api],
    caller: Injected[Caller],
    id: FromPath[str],
    cursor: FromQuery[str | None] = None,
) -> LogPage:
    """What happened to a job, oldest first; `provider` is what it said last, where it says, and
    `next` the cursor of the next page, or null.
    """
    job = await api.job_of(caller.account_id, id)
    commits, following = await commits_of(api, job, cursor)
    items = [
        LogLine(at=text_of(recorded.commit.at), level=level, message=message_of(event))
        for recorded in commits
        for event in recorded.commit.events
        if getattr(event, "job_id", None) == job.job_id and type(event) in _LINES
        for level, message_of in [_LINES[type(event)]]
    ]
    report = api.progress.of(job.job_id)
    provider = None
    if report is not None:
        provider = ProviderReport(queue_position=report.queue_position, lines=list(report.lines))
    return LogPage(items=items, next=following, provider=provider, as_of=api.as_of())


async def commits_of(api: Api, job: Job, cursor: str | None) -> tuple[list[Recorded], str | None]:
    """Read a page of the commits that speak of a job, and the cursor of the next one."""
    after = place_of(cursor) or 0
    sequences = await api.database.read(job_commits.sequences, job.job_id, after, COMMITS_A_PAGE)
    found = await asyncio.gather(*(api.log.read(sequence) for sequence in sequences))
    following = str(sequences[-1]) if len(sequences) == COMMITS_A_PAGE else None
    return [recorded for recorded in found if recorded is not None], following


async def _event_document(
    api: Api, account: AccountId, recorded: Recorded, index: int
) -> EventDocument:
    """An event as its owner sees it: own words readable, the provider's sealed."""
    event = recorded.commit.events[index]
    document = event_document(recorded, index)
    document.account = account
    for name in event.__struct_fields__:
        if isinstance(value := getattr(event, name), datetime):
            document.body[name] = text_of(value)
    document.body |= await _own_words(api, account, event)
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
