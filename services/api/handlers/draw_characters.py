"""Draws characters: one portrait of each at a time, and how far it is."""

from typing import Annotated, Literal

from litestar import Response, get, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct
from sqlalchemy import Connection

from contracts.ids import AccountId, JobId
from domain import job_kinds
from domain.job_kinds.character_image import CharacterImage
from domain.refusals import Refused
from domain.statuses import JobStatus
from domain.text import Line, Prose
from read_models import exclusive_keys, jobs
from read_models.jobs import Job
from services.api.dependencies import Api, Injected
from services.api.documents import artifact_url, error_message
from services.api.handlers.answers import of_result
from services.api.handlers.callers import Caller
from services.api.handlers.request_context import RequestContext
from services.api.handlers.request_work import job_ids_of, request_jobs

# As seed 004 names them; before the provider has it, it is pending.
CharacterStatus = Literal["pending", "generating", "completed", "failed"]
STATUSES: dict[JobStatus, CharacterStatus] = {
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


class QueuedCharacter(Struct, kw_only=True):
    """`task_id` is the id of the job that draws the portrait."""

    character_id: str
    task_id: JobId
    status: Literal["queued"]
    as_of: str


class CharacterMetadata(Struct, kw_only=True):
    """How a portrait was made, as far as that is known. `request_id` is the provider's."""

    provider: str
    request_id: str
    attempt: int
    width: int | None
    height: int | None
    bytes: int | None
    sha256: str | None


class CharacterDocument(Struct, kw_only=True):
    """How the newest portrait of a character is doing; `error` says why it failed."""

    character_id: str
    status: CharacterStatus
    task_id: JobId
    image_url: str | None
    metadata: CharacterMetadata | None
    error: str | None


@post("/{character_id:str}/image", status_code=202)
async def draw_character(
    api: Injected[Api],
    context: Injected[RequestContext],
    character_id: FromPath[str],
    data: JSONBody[DrawCharacter],
) -> Response[QueuedCharacter]:
    """Ask for a portrait, 1 credit. 409 with the open task when one is under way."""
    fields = {"character_id": character_id, "name": data.name, "description": data.description}
    style = {"style": data.style} if data.style else {}
    kind = job_kinds.parse(CharacterImage.name, fields | style)
    result = await request_jobs(api, context, kind, 1, data)
    (task, *_) = job_ids_of(result)
    as_of = api.cursor(result.sequence)
    document = QueuedCharacter(
        character_id=character_id, task_id=task, status="queued", as_of=as_of
    )
    return of_result(result, document, 202)


@get("/{character_id:str}/image-status")
async def show_character(
    api: Injected[Api], caller: Injected[Caller], character_id: FromPath[str]
) -> CharacterDocument:
    """Show how the newest portrait of a character is doing. 404 when none was ever asked for."""
    account, name = caller.account_id, f"character:{character_id}"
    job = await api.newest_of(account, lambda connection: _newest(connection, account, name))
    if job is None or job.deleted:
        raise Refused("not_found", "no image of this character was ever asked for")
    artifact = job.artifacts[0] if job.artifacts else None
    return CharacterDocument(
        character_id=character_id,
        status=STATUSES[job.status],
        task_id=job.job_id,
        image_url=artifact_url(api, artifact) if artifact is not None else None,
        metadata=_metadata(api, job),
        error=await error_message(api, job) if job.error_code is not None else None,
    )


def _newest(connection: Connection, account: AccountId, name: str) -> Job | None:
    found = exclusive_keys.find(connection, account, name)
    return jobs.find(connection, JobId(found.newest)) if found is not None else None


def _metadata(api: Api, job: Job) -> CharacterMetadata | None:
    """Show how it was made, as far as that is known; null before the provider has it."""
    if job.request_id is None:
        return None
    artifact = job.artifacts[0] if job.artifacts else None
    return CharacterMetadata(
        provider=job.provider or api.settings.provider_name,
        request_id=job.request_id,
        attempt=job.attempt,
        width=artifact.width if artifact is not None else None,
        height=artifact.height if artifact is not None else None,
        bytes=artifact.size_bytes if artifact is not None else None,
        sha256=artifact.sha256 if artifact is not None else None,
    )
