"""Draws characters: one portrait of each at a time, and how far it is."""

from typing import Annotated, Any

from litestar import Response, get, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from adapters.http_server import AnyRequest, AnyResponse
from contracts.events import JobRequested
from contracts.ids import JobId
from domain import job_kinds
from domain.job_status import JobStatus
from domain.refusals import Refused
from domain.text import Line, Prose
from read_models import exclusive_keys, jobs
from read_models.jobs import Job
from services.api.dependencies import Api, api_of
from services.api.documents import artifact_url, error_message
from services.api.handlers.authenticate_callers import caller_of
from services.api.handlers.create_jobs import request_jobs, strict

# As seed 004 names them; before the provider has it, it is pending.
STATUSES = {
    JobStatus.PENDING: "pending",
    JobStatus.PROCESSING: "generating",
    JobStatus.COMPLETED: "completed",
    JobStatus.FAILED: "failed",
    JobStatus.CANCELLED: "failed",
}


class DrawCharacter(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the portrait shows."""

    name: Annotated[Line, Meta(min_length=1, max_length=200)]
    description: Annotated[Prose, Meta(min_length=1, max_length=4000)]
    style: Annotated[Line, Meta(max_length=200)] | None = None


@post("/{character_id:str}/image", status_code=202)
async def draw_character(
    request: AnyRequest, character_id: FromPath[str], data: JSONBody[DrawCharacter]
) -> AnyResponse:
    """Ask for a portrait, 1 credit. 409 with the open task when one is under way."""
    data = await strict(request, DrawCharacter)
    fields = {"character_id": character_id, "name": data.name, "description": data.description}
    kind = job_kinds.parse(
        "character_image", fields | ({"style": data.style} if data.style else {})
    )
    granted = await request_jobs(request, kind, 1, data)
    task = next(event.job_id for event in granted.events if isinstance(event, JobRequested))
    as_of = api_of(request).cursor(granted.sequence)
    headers = {"Darkroom-As-Of": as_of}
    if granted.replayed:
        headers["Idempotency-Replayed"] = "true"
    document = {"character_id": character_id, "task_id": task, "status": "queued", "as_of": as_of}
    return Response(document, status_code=202, headers=headers)


@get("/{character_id:str}/image-status")
async def show_character(request: AnyRequest, character_id: FromPath[str]) -> dict[str, Any]:
    """How the newest portrait of a character is doing. 404 when none was ever asked for."""
    api, account = api_of(request), caller_of(request).account_id
    name = f"character:{character_id}"
    job = await api.newest_of(account, lambda connection: _newest(connection, account, name))
    if job is None or job.deleted:
        raise Refused("not_found", "no image of this character was ever asked for")
    artifact = job.artifacts[0] if job.artifacts else None
    return {
        "character_id": character_id,
        "status": STATUSES[job.status],
        "task_id": job.job_id,
        "image_url": artifact_url(api, artifact) if artifact is not None else None,
        "metadata": _metadata(api, job),
        "error": await error_message(api, job) if job.error_code is not None else None,
    }


def _newest(connection: Any, account: Any, name: str) -> Job | None:
    found = exclusive_keys.find(connection, account, name)
    return jobs.find(connection, JobId(found.newest)) if found is not None else None


def _metadata(api: Api, job: Job) -> dict[str, Any] | None:
    """What is known of how it was made; null before the provider has it."""
    if job.request_id is None:
        return None
    artifact = job.artifacts[0] if job.artifacts else None
    return {
        "provider": job.provider or api.settings.provider_name,
        "request_id": job.request_id,
        "attempt": job.attempt,
        "width": artifact.width if artifact is not None else None,
        "height": artifact.height if artifact is not None else None,
        "bytes": artifact.size_bytes if artifact is not None else None,
        "sha256": artifact.sha256 if artifact is not None else None,
    }
