"""Requests work: what all handlers share that ask for jobs. The answer may wait until the provider
has them, for as long as the caller prefers.
"""

import asyncio
import math
from contextlib import suppress
from datetime import timedelta

import msgspec
from litestar import Response
from msgspec import Struct

from application.account_commands import CommandResult
from application.clock import fresh_job_id, now
from contracts.events import JobRequested
from contracts.ids import AccountId, JobId
from domain.account import RequestJobs
from domain.job_kinds import AnyJobKind
from domain.refusals import Refused
from read_models.jobs import Job
from services.api.dependencies import Api
from services.api.handlers.answers import Answered, of_result
from services.api.handlers.idempotency import KEY_USED_OTHERWISE, execute_once
from services.api.handlers.request_context import RequestContext

WAIT_SECONDS_MAX = 30.0


async def request_jobs(
    api: Api, context: RequestContext, kind: AnyJobKind, count: int, body: Struct
) -> CommandResult:
    """Request `count` jobs of one input. An Idempotency-Key stands for `body`."""
    account = context.account
    return await execute_once(api, context, body, lambda: new_jobs(api, account, kind, count))


async def new_jobs(
    api: Api, account: AccountId, kind: AnyJobKind, count: int = 1, retry_of: JobId | None = None
) -> RequestJobs:
    """Let the work in and seal its input; return the command that the account has to execute."""
    await api.take_work(account)
    deadline_at = now() + timedelta(seconds=api.settings.job_deadline_seconds)
    sealed = await api.vault.seal(account, msgspec.json.encode(kind))
    jobs = tuple(
        JobRequested(
            job_id=fresh_job_id(),
            account_id=account,
            kind=kind.name,
            input=sealed,
            price_credits=kind.price_credits,
            deadline_at=deadline_at,
            retry_of=retry_of,
            duration_class=kind.duration_class(),
            exclusive_key=kind.exclusive_key(),
        )
        for _ in range(count)
    )
    return RequestJobs(jobs, api.settings.account_jobs_in_flight_max)


def job_ids_of(result: CommandResult) -> list[JobId]:
    """Return the jobs that a result has made; raise Refused if it has made none."""
    ids = [event.job_id for event in result.events if isinstance(event, JobRequested)]
    if not ids:
        raise Refused("idempotency_key_reused", KEY_USED_OTHERWISE)
    return ids


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
            jobs = found.values()
            if len(jobs) == len(ids) and all(job.request_id or job.status.is_end for job in jobs):
                break
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds_left):
                    await changed.wait()
    newest = max((job.sequence for job in found.values()), default=0)
    api.note_write(context.account, newest)
    return {job_id: found.get(job_id) for job_id in ids}


def created(
    api: Api,
    context: RequestContext,
    result: CommandResult,
    document: Answered,
    locations: list[str],
) -> Response[Answered]:
    """Answer 201, with the place of what was created if it is one thing."""
    applied = _preference(api, context).applied
    headers = {"Location": locations[0]} if len(locations) == 1 else {}
    headers |= {"Preference-Applied": applied} if applied is not None else {}
    return of_result(result, document, 201, headers)


def _preference(api: Api, context: RequestContext) -> Preference:
    return preference_of(context.prefer, api.settings.create_wait_seconds)
