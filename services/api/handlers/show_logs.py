"""Shows a job's log: what became of it, line by line, and what the provider reported meanwhile."""

from collections.abc import Callable
from typing import Any

from litestar import get
from litestar.params import FromPath, FromQuery

from contracts.events import (
    AttemptFailed,
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
from domain.refusals import JOB_CODES
from domain.times import text_of
from services.api.dependencies import Api, Injected
from services.api.handlers.callers import Caller
from services.api.handlers.show_jobs import commits_of

_LINES: dict[type[Event], tuple[str, Callable[[Any], str]]] = {
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


@get("/jobs/{id:str}/logs")
async def show_logs(
    api: Injected[Api],
    caller: Injected[Caller],
    id: FromPath[str],
    cursor: FromQuery[str | None] = None,
) -> dict[str, Any]:
    """What happened to a job, oldest first; `provider` is what it said last, where it says, and
    `next` the cursor of the next page, or null.
    """
    job = await api.job_of(caller.account_id, id)
    commits, following = await commits_of(api, job, cursor)
    items = [
        {"at": text_of(recorded.commit.at), "level": level, "message": message_of(event)}
        for recorded in commits
        for event in recorded.commit.events
        if getattr(event, "job_id", None) == job.job_id and type(event) in _LINES
        for level, message_of in [_LINES[type(event)]]
    ]
    report = api.progress.of(job.job_id)
    provider = None
    if report is not None:
        provider = {"queue_position": report.queue_position, "lines": list(report.lines)}
    return {"items": items, "next": following, "provider": provider, "as_of": api.as_of()}
