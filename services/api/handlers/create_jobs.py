"""Creates jobs: infographs, or one job of any kind."""

from typing import Annotated, Any

from litestar import post
from litestar.params import JSONBody
from msgspec import Meta, Struct

from adapters.http_server import AnyResponse
from contracts.ids import JobId
from domain import job_kinds
from domain.job_kinds.infograph import Infograph
from domain.statuses import JobStatus
from read_models.jobs import Job
from services.api.dependencies import Api, Injected
from services.api.documents import Document, job_document
from services.api.handlers.request_context import RequestContext
from services.api.handlers.request_work import created, request_jobs, wait_for_submission


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
