"""Waits with an answer until the provider has the job, for as long as the caller prefers."""

import asyncio
import math
from typing import Any

from msgspec import Struct

from adapters.http_server import AnyResponse
from application.account_commands import CommandResult
from contracts.ids import JobId
from read_models.jobs import Job
from services.api.dependencies import Api
from services.api.handlers.answers import of_result
from services.api.handlers.new_jobs import job_ids_of
from services.api.handlers.request_context import RequestContext

WAIT_SECONDS_MAX = 30.0


class Preference(Struct, frozen=True):
    """How long the answer may wait for the submission; `applied` is the preference we follow."""

    seconds: float
    applied: str | None = None


def preference_of(prefer: str, default_seconds: float) -> Preference:
    """Read `Prefer: respond-async` or `Prefer: wait=SECONDS` (RFC 7240)."""
    for preference in prefer.split(","):
        name, _, value = preference.strip().partition("=")
        if name == "respond-async":
            return Preference(0.0, "respond-async")
        if name == "wait":
            try:
                wanted = float(value)
            except ValueError:
                continue
            if not math.isnan(wanted):
                seconds = min(max(wanted, 0.0), WAIT_SECONDS_MAX)
                return Preference(seconds, f"wait={seconds:g}")
    return Preference(default_seconds)


async def wait_for_submission(
    api: Api, context: RequestContext, result: CommandResult
) -> dict[JobId, Job | None]:
    """Wait until the provider has each job, or it has ended, or the time is up."""
    ids = job_ids_of(result)
    clock = asyncio.get_running_loop().time
    deadline = clock() + _preference(api, context).seconds
    found: dict[JobId, Job] = {}
    with api.changes.watch(ids) as changed:
        while (seconds_left := deadline - clock()) > 0:
            changed.clear()
            found = await api.jobs_by_id(ids)
            if len(found) == len(ids) and all(_is_submitted(job) for job in found.values()):
                break
            try:
                async with asyncio.timeout(seconds_left):
                    await changed.wait()
            except TimeoutError:
                continue
    newest = max((job.sequence for job in found.values()), default=0)
    api.note_write(context.caller.account_id, newest)
    return {job_id: found.get(job_id) for job_id in ids}


def created(
    api: Api,
    context: RequestContext,
    result: CommandResult,
    document: dict[str, Any],
    locations: list[str],
) -> AnyResponse:
    """Answer 201, with the place of what was created if it is one thing."""
    applied = _preference(api, context).applied
    headers = {"Location": locations[0]} if len(locations) == 1 else {}
    headers |= {"Preference-Applied": applied} if applied is not None else {}
    return of_result(api, result, document, 201, headers)


def _preference(api: Api, context: RequestContext) -> Preference:
    return preference_of(context.prefer, api.settings.create_wait_seconds)


def _is_submitted(job: Job) -> bool:
    return job.request_id is not None or job.status.is_end
