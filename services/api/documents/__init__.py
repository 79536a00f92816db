"""Documents: jobs as the contract shows them, to their owners and in the views of the seeds."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from adapters.vault import Unreadable
from application.clock import now
from application.documents import ArtifactDocument, Time, artifact_document
from contracts.events import Artifact
from contracts.ids import JobId
from domain.estimates import Expectation, eta_seconds, progress
from domain.refusals import JOB_CODES
from domain.statuses import JobStatus
from domain.times import micros_of, text_of
from read_models.jobs import Job
from services.api.dependencies import Api

POLL_AFTER_MS = 2000

Row = TypeVar("Row")
Shown = TypeVar("Shown")
# The words of the seeds' infographs: a cancelled one is shown as failed.
InfographStatus = Literal["pending", "processing", "completed", "failed"]
# How far a job is: whole percents.
Percent = Annotated[int, Meta(ge=0, le=100)]
# A JSON object whose fields we do not know.
Fields = Annotated[
    dict[str, Any], Meta(extra_json_schema={"$ref": "#/components/schemas/JsonObject"})
]
# The input of some kind of job, as it was sent; empty when it can no longer be read.
JobInput = Annotated[
    dict[str, Any], Meta(extra_json_schema={"$ref": "#/components/schemas/JobInput"})
]


class ErrorDocument(Struct, frozen=True, kw_only=True):
    """Why a job or a step failed: `code` is for programs, `message` for people."""

    code: str
    message: str


class StatusDocument(Struct, kw_only=True):
    """An infograph's status. A cancelled one is shown as failed, with the code `cancelled`.
    `request_id` is the provider's, shown while it works; the fields about an error are there once
    it has failed. `poll_after_ms` says when to ask again.
    """

    id: JobId
    status: InfographStatus
    image_url: str | None
    created_at: Time
    updated_at: Time
    progress: Percent
    eta_seconds: int | None
    poll_after_ms: int | None
    as_of: str
    request_id: str | UnsetType | None = UNSET
    error: str | UnsetType = UNSET
    error_message: str | UnsetType = UNSET
    error_code: str | UnsetType = UNSET


class InfographDocument(StatusDocument, kw_only=True):
    """An infograph: its status, and the input that was given."""

    prompt: str | None
    aspect_ratio: str | None
    resolution: str | None
    blog_url: str | None
    retry_of: str | None


class JobDocument(Struct, kw_only=True):
    """A job. `request_id` is the provider's, `attempt` counts the times that it was sent there;
    `retry_of` and `retried_as` name the job before and the one after.
    """

    id: JobId
    kind: str
    status: JobStatus
    input: JobInput
    price: int
    provider: str
    request_id: str | None
    attempt: int
    progress: Percent
    eta_seconds: int | None
    artifacts: list[ArtifactDocument]
    error: ErrorDocument | None
    retry_of: str | None
    retried_as: str | None
    run_id: str | None
    step: int | None
    created_at: Time
    updated_at: Time
    as_of: str


# Shows a job as it is at a cursor; without one, as of the newest commit that is known.
ShowJob = Callable[[Api, Job, str | None], Awaitable[Shown]]


async def each_of(rows: Iterable[Row], show: Callable[[Row], Awaitable[Shown]]) -> list[Shown]:
    """Show many rows. Unsealing takes a while, so that other requests get a turn after each row."""
    shown = []
    for row in rows:
        shown.append(await show(row))
        await asyncio.sleep(0)
    return shown


def etag_of(api: Api, job: Job) -> str:
    """Name the job's last change: a whole percent of progress is one, a new estimate is not."""
    return f'W/"{api.log.epoch}.{job.sequence}.{progress_of(job)}"'


async def status_document(api: Api, job: Job, as_of: str | None = None) -> StatusDocument:
    return StatusDocument(**await _status_fields(api, job, as_of))


async def infograph_document(api: Api, job: Job, as_of: str | None = None) -> InfographDocument:
    given = await input_of(api, job)
    return InfographDocument(
        **await _status_fields(api, job, as_of),
        prompt=given.get("prompt"),
        aspect_ratio=given.get("aspect_ratio"),
        resolution=given.get("resolution"),
        blog_url=given.get("blog_url"),
        retry_of=job.retry_of,
    )


async def _status_fields(api: Api, job: Job, as_of: str | None) -> dict[str, Any]:
    """Return the fields of a status; those that there are only now and then are left out."""
    cancelled = job.status is JobStatus.CANCELLED
    fields = {
        "id": job.job_id,
        "status": JobStatus.FAILED if cancelled else job.status,
        "image_url": artifact_url(api, job.artifacts[0]) if job.artifacts else None,
        "created_at": text_of(job.created_at),
        "updated_at": text_of(job.updated_at),
        "progress": progress_of(job),
        "eta_seconds": eta_of(job),
        "poll_after_ms": poll_after_ms(job),
        "as_of": as_of or api.as_of(),
    }
    if job.status is JobStatus.PROCESSING:
        fields["request_id"] = job.request_id
    if job.error_code is not None:
        message = await error_message(api, job)
        fields |= {"error": message, "error_message": message, "error_code": job.error_code}
    return fields


async def job_document(api: Api, job: Job, as_of: str | None = None) -> JobDocument:
    error = None
    if job.error_code is not None:
        error = ErrorDocument(code=job.error_code, message=await error_message(api, job))
    return JobDocument(
        id=job.job_id,
        kind=job.kind,
        status=job.status,
        input=await input_of(api, job),
        price=job.price_credits,
        provider=job.provider or api.settings.provider_name,
        request_id=job.request_id,
        attempt=job.attempt,
        progress=progress_of(job),
        eta_seconds=eta_of(job),
        artifacts=[_artifact_document(api, job, each) for each in job.artifacts],
        error=error,
        retry_of=job.retry_of,
        retried_as=job.retried_as,
        run_id=job.run_id,
        step=job.step,
        created_at=text_of(job.created_at),
        updated_at=text_of(job.updated_at),
        as_of=as_of or api.as_of(),
    )


def elapsed_of(job: Job) -> int:
    """Return for how many microseconds the job has been under way, or was until its end."""
    until = micros_of(now()) if job.ended_at is None else job.ended_at
    return max(until - job.started_at, 0) if job.started_at is not None else 0


def progress_of(job: Job) -> int:
    if job.status is JobStatus.COMPLETED:
        return 100
    return progress(Expectation(job.expected_p50, job.expected_p90), elapsed_of(job))


def eta_of(job: Job) -> int | None:
    """Return the seconds that the job may still take, None while too little is known."""
    if job.started_at is None or job.status.is_end:
        return None
    return eta_seconds(Expectation(job.expected_p50, job.expected_p90), elapsed_of(job))


def poll_after_ms(job: Job) -> int | None:
    """Return when to ask again: after a quarter of the time left, from 1 to 5 seconds."""
    if job.status.is_end:
        return None
    eta = eta_of(job)
    return POLL_AFTER_MS if eta is None else min(max(eta * 250, 1000), 5000)


async def input_of(api: Api, job: Job) -> dict[str, Any]:
    try:
        fields = msgspec.json.decode(await api.vault.unseal(job.account_id, job.input))
    except Unreadable:
        return {}
    return fields if isinstance(fields, dict) else {}


async def error_message(api: Api, job: Job) -> str:
    message = await api.vault.unseal_text(job.account_id, job.error_message)
    return message or JOB_CODES.get(job.error_code or "", "The job failed.")


def artifact_url(api: Api, artifact: Artifact) -> str | None:
    if artifact.key is None:
        return artifact.url
    return api.storage.public_url(artifact.key) or f"{api.settings.origin}/{artifact.key}"


def _artifact_document(api: Api, job: Job, artifact: Artifact) -> ArtifactDocument:
    """A file has an unguessable URL; a text is sealed, and read with a token."""
    if artifact.text is not None:
        return artifact_document(artifact, f"{api.settings.origin}/api/jobs/{job.job_id}/text")
    return artifact_document(artifact, artifact_url(api, artifact))
