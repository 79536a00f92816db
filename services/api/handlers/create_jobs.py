"""Takes requests for work: credits reserved and jobs requested in one commit. An answer may wait
until the provider has the job, for as long as the caller prefers.
"""

import asyncio
import math
from contextlib import suppress
from datetime import timedelta
from typing import Annotated, Any

import msgspec
from litestar import post
from litestar.params import JSONBody
from msgspec import Meta, Struct

from adapters.http_server import AnyResponse
from application.account_commands import CommandResult
from application.clock import fresh_job_id, now
from contracts.events import JobRequested
from contracts.ids import AccountId, JobId
from domain import job_kinds
from domain.account import RequestJobs
from domain.job_kinds import AnyJobKind
from domain.job_kinds.infograph import Infograph
from domain.refusals import Refused
from domain.statuses import JobStatus
from read_models.jobs import Job
from services.api.dependencies import Api, Injected
from services.api.documents import Document, job_document
from services.api.handlers.answers import of_result
from services.api.handlers.idempotency import KEY_USED_OTHERWISE, execute_once
from services.api.handlers.request_context import RequestContext


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
    document: Document,
    locations: list[str],
) -> AnyResponse:
    """Answer 201, with the place of what was created if it is one thing."""
    applied = _preference(api, context).applied
    headers = {"Location": locations[0]} if len(locations) == 1 else {}
    headers |= {"Preference-Applied": applied} if applied is not None else {}
    return of_result(api, result, document, 201, headers)


def _preference(api: Api, context: RequestContext) -> Preference:
    return preference_of(context.prefer, api.settings.create_wait_seconds)


class CreateInfographs(Infograph, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An infograph's input, and how many of it."""

    number_of_infographs: Annotated[int, Meta(ge=1, le=4)] = 1


class CreateJob(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Any kind of job; `GET /api/job-kinds` has the schemas of their inputs."""

    kind: str
    input: dict[str, Any]


@post("/create", status_code=201)
async def create_infographs(
    api: Injected[Api], context: Injected[RequestContext], data: JSONBody[CreateInfographs]
) -> AnyResponse:
    """Request 1 to 4 infographs, 1 credit each: all of them or none."""
    fields = {name: getattr(data, name) for name in Infograph.__struct_fields__}
    kind = job_kinds.parse(Infograph.name, fields)
    result = await request_jobs(api, context, kind, data.number_of_infographs, data)
    found = await wait_for_submission(api, context, result)
    items = [_created(api, job_id, job) for job_id, job in found.items()]
    count, credits_used = len(items), len(items) * kind.price_credits
    document = {"infographs": items, "total_submitted": count, "credits_used": credits_used}
    return created(api, context, result, document, [item["status_url"] for item in items])


@post("/jobs", status_code=201)
async def create_job(
    api: Injected[Api], context: Injected[RequestContext], data: JSONBody[CreateJob]
) -> AnyResponse:
    """Request one job of any kind."""
    kind = job_kinds.parse(data.kind, data.input)
    result = await request_jobs(api, context, kind, 1, data)
    (job_id, *_) = await wait_for_submission(api, context, result)
    await api.wait_until_current(context.account)
    document = await job_document(api, await api.job_of(context.account, job_id))
    return created(api, context, result, document, [f"{api.settings.origin}/api/jobs/{job_id}"])


def _created(api: Api, job_id: JobId, job: Job | None) -> Document:
    """Show `processing` with the provider's id once it has one, whatever came later."""
    submitted = job is not None and job.request_id is not None
    failed = job is not None and job.status.is_end and job.status is not JobStatus.COMPLETED
    status = "processing" if submitted else "failed" if failed else "pending"
    return {
        "id": job_id,
        "request_id": job.request_id if job is not None else None,
        "status": status,
        "status_url": f"{api.settings.origin}/api/infographs/status/{job_id}/",
    }
