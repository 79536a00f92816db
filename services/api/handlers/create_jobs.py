"""Creates jobs: infographs, or one job of any kind."""

from typing import Annotated, Any, Literal

from litestar import Response, post
from litestar.params import JSONBody
from msgspec import Meta, Struct

from contracts.ids import JobId
from domain import job_kinds
from domain.job_kinds.infograph import Infograph
from domain.statuses import JobStatus
from read_models.jobs import Job
from services.api.dependencies import Api, Injected
from services.api.documents import JobDocument, job_document
from services.api.handlers.request_context import RequestContext
from services.api.handlers.request_work import created, request_jobs, wait_for_submission


class CreateInfographs(Infograph, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An infograph's input, and how many of it."""

    number_of_infographs: Annotated[int, Meta(ge=1, le=4)] = 1


class CreateJob(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Any kind of job; `GET /api/job-kinds` has the schemas of their inputs."""

    kind: str
    input: dict[str, Any]


class CreatedInfograph(Struct, frozen=True, kw_only=True):
    """`request_id` is the provider's, and null until it has the job. `status_url` is ours."""

    id: JobId
    request_id: str | None
    status: Literal["pending", "processing", "failed"]
    status_url: str


class CreatedInfographs(Struct, kw_only=True):
    """The new infographs; `credits_used` were reserved for them."""

    infographs: list[CreatedInfograph]
    total_submitted: int
    credits_used: int
    as_of: str


@post("/create", status_code=201)
async def create_infographs(
    api: Injected[Api], context: Injected[RequestContext], data: JSONBody[CreateInfographs]
) -> Response[CreatedInfographs]:
    """Request 1 to 4 infographs, 1 credit each: all of them or none."""
    fields = {name: getattr(data, name) for name in Infograph.__struct_fields__}
    kind = job_kinds.parse(Infograph.name, fields)
    result = await request_jobs(api, context, kind, data.number_of_infographs, data)
    found = await wait_for_submission(api, context, result)
    items = [_created(api, job_id, job) for job_id, job in found.items()]
    document = CreatedInfographs(
        infographs=items,
        total_submitted=len(items),
        credits_used=len(items) * kind.price_credits,
        as_of=api.cursor(result.sequence),
    )
    return created(api, context, result, document, [item.status_url for item in items])


@post("/jobs", status_code=201)
async def create_job(
    api: Injected[Api], context: Injected[RequestContext], data: JSONBody[CreateJob]
) -> Response[JobDocument]:
    """Request one job of any kind."""
    kind = job_kinds.parse(data.kind, data.input)
    result = await request_jobs(api, context, kind, 1, data)
    (job_id, *_) = await wait_for_submission(api, context, result)
    await api.wait_until_current(context.account)
    job, as_of = await api.job_of(context.account, job_id), api.cursor(result.sequence)
    document = await job_document(api, job, as_of)
    return created(api, context, result, document, [f"{api.settings.origin}/api/jobs/{job_id}"])


def _created(api: Api, job_id: JobId, job: Job | None) -> CreatedInfograph:
    """Show `processing` with the provider's id once it has one, whatever came later."""
    submitted = job is not None and job.request_id is not None
    failed = job is not None and job.status.is_end and job.status is not JobStatus.COMPLETED
    return CreatedInfograph(
        id=job_id,
        request_id=job.request_id if job is not None else None,
        status="processing" if submitted else "failed" if failed else "pending",
        status_url=f"{api.settings.origin}/api/infographs/status/{job_id}/",
    )
