"""Takes requests for work: credits reserved and jobs requested in one commit."""

import asyncio
import math
from datetime import timedelta
from typing import Annotated, Any, TypeVar

import msgspec
from litestar import Response, post
from litestar.params import JSONBody
from msgspec import Meta, Struct

from adapters.http_server import AnyRequest, AnyResponse
from application.account_commands import CommandResult
from application.clock import fresh_job_id, now
from contracts.events import JobRequested
from contracts.ids import JobId
from domain import job_kinds
from domain.account import RequestJobs
from domain.job_kinds.infograph import Infograph
from domain.job_status import JobStatus
from domain.refusals import Refused
from read_models.jobs import Job
from services.api.dependencies import Api, api_of
from services.api.documents import job_document
from services.api.handlers.answer_once import answer_once, headers_of
from services.api.handlers.authenticate_callers import Caller, caller_of

WAIT_SECONDS_MAX = 30.0
Body = TypeVar("Body", bound=Struct)


class CreateInfographs(Infograph, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An infograph's input, and how many of it."""

    number_of_infographs: Annotated[int, Meta(ge=1, le=4)] = 1


class CreateJob(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Any kind of job; `GET /api/job-kinds` has the schemas of their inputs."""

    kind: str
    input: dict[str, Any]


class Preference(Struct, frozen=True):
    """How long the answer may wait for the submission, and what was asked of us."""

    seconds: float
    applied: str | None = None


@post("/create", status_code=201)
async def create_infographs(request: AnyRequest, data: JSONBody[CreateInfographs]) -> AnyResponse:
    """Request 1 to 4 infographs, 1 credit each: all of them or none."""
    api, caller = api_of(request), caller_of(request)
    data = await strict(request, CreateInfographs)
    fields = {name: getattr(data, name) for name in Infograph.__struct_fields__}
    kind = job_kinds.parse("infograph", fields)
    preference = preference_of(request, api.settings.create_wait_seconds)
    granted = await request_jobs(request, kind, data.number_of_infographs, data)
    known = await wait_for_submission(api, caller, granted, preference)
    items = [_created(api, job_id, job) for job_id, job in known.items()]
    document = {
        "infographs": items,
        "total_submitted": len(items),
        "credits_used": len(items) * kind.price_credits,
        "as_of": api.cursor(granted.sequence),
    }
    return answer(request, granted, preference, document, [item["status_url"] for item in items])


@post("/jobs", status_code=201)
async def create_job(request: AnyRequest, data: JSONBody[CreateJob]) -> AnyResponse:
    """Request one job of any kind."""
    api, caller = api_of(request), caller_of(request)
    data = await strict(request, CreateJob)
    kind = job_kinds.parse(data.kind, data.input)
    preference = preference_of(request, api.settings.create_wait_seconds)
    granted = await request_jobs(request, kind, 1, data)
    (job_id, *_) = await wait_for_submission(api, caller, granted, preference)
    await api.wait_until_current(caller.account_id, None)
    document = await job_document(api, await api.job_of(caller.account_id, job_id))
    document["as_of"] = api.cursor(granted.sequence)
    location = f"{api.settings.origin}/api/jobs/{job_id}"
    return answer(request, granted, preference, document, [location])


async def strict(request: AnyRequest, kind: type[Body]) -> Body:
    """Read the body without conversions: Litestar would take `"2"` for a number."""
    body = await request.body()
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError:
        return msgspec.convert(_with_whole_numbers(msgspec.json.decode(body)), kind)


def _with_whole_numbers(value: Any) -> Any:
    """JSON knows one kind of number: 3.0 is as good a count as 3."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {name: _with_whole_numbers(each) for name, each in value.items()}
        case list():
            return [_with_whole_numbers(each) for each in value]
        case _:
            return value


async def request_jobs(
    request: AnyRequest, kind: job_kinds.AnyJobKind, count: int, body: Struct
) -> CommandResult:
    """Request `count` jobs of one input; `body` is what an Idempotency-Key stands for."""
    return await answer_once(request, body, lambda: work_of(request, kind, count))


async def work_of(
    request: AnyRequest,
    kind: job_kinds.AnyJobKind,
    count: int = 1,
    retry_of: JobId | None = None,
) -> RequestJobs:
    """Let the work in and seal its input; return what the account is asked for."""
    api, account = api_of(request), caller_of(request).account_id
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


def preference_of(request: AnyRequest, default_seconds: float) -> Preference:
    """Read `Prefer: respond-async` or `Prefer: wait=SECONDS` (RFC 7240)."""
    for wish in request.headers.get("prefer", "").split(","):
        name, _, value = wish.strip().partition("=")
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
    api: Api, caller: Caller, granted: CommandResult, preference: Preference
) -> dict[JobId, Job | None]:
    """Wait until the provider has each job, or it has ended, or the time is up."""
    ids = _job_ids(granted)
    clock = asyncio.get_running_loop().time
    deadline = clock() + preference.seconds
    known: dict[JobId, Job] = {}
    with api.changes.watch(ids) as changed:
        while (seconds_left := deadline - clock()) > 0:
            changed.clear()
            known = await api.jobs_by_id(ids)
            if len(known) == len(ids) and all(_is_submitted(job) for job in known.values()):
                break
            try:
                async with asyncio.timeout(seconds_left):
                    await changed.wait()
            except TimeoutError:
                continue
    newest = max((job.sequence for job in known.values()), default=0)
    api.note_write(caller.account_id, newest)
    return {job_id: known.get(job_id) for job_id in ids}


def _is_submitted(job: Job) -> bool:
    return job.request_id is not None or job.status.is_end


def _created(api: Api, job_id: JobId, job: Job | None) -> dict[str, Any]:
    """Say `processing` with the provider's id once it has one, whatever came later."""
    submitted = job is not None and job.request_id is not None
    failed = job is not None and job.status.is_end and job.status is not JobStatus.COMPLETED
    status = "processing" if submitted else "failed" if failed else "pending"
    return {
        "id": job_id,
        "request_id": job.request_id if job is not None else None,
        "status": status,
        "status_url": f"{api.settings.origin}/api/infographs/status/{job_id}/",
    }


def _job_ids(granted: CommandResult) -> list[JobId]:
    ids = [event.job_id for event in granted.events if isinstance(event, JobRequested)]
    if not ids:
        raise Refused("idempotency_key_reused", "the key was used for something else")
    return ids


def answer(
    request: AnyRequest,
    granted: CommandResult,
    preference: Preference,
    document: Any,
    locations: list[str],
) -> AnyResponse:
    headers = headers_of(request, granted)
    if len(locations) == 1:
        headers["Location"] = locations[0]
    if preference.applied is not None:
        headers["Preference-Applied"] = preference.applied
    return Response(document, status_code=201, headers=headers)
