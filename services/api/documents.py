"""Documents: rows as the contract shows them."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from adapters.vault import Unreadable
from contracts.events import Artifact
from domain.job_status import JobStatus
from domain.refusals import JOB_CODES
from read_models.accounts import Balance, Entry
from read_models.jobs import Job, newest_retry
from services.api.dependencies import Api

POLL_AFTER_MS = 2000


def time_of(micros: int) -> str:
    at = datetime.fromtimestamp(micros / 1_000_000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def etag_of(api: Api, sequence: int) -> str:
    return f'W/"{api.log.epoch}.{sequence}"'


async def status_document(api: Api, job: Job) -> dict[str, Any]:
    """The infograph's status, as seed 000 shapes it. Cancelled is shown as failed."""
    cancelled = job.status is JobStatus.CANCELLED
    document: dict[str, Any] = {
        "id": job.job_id,
        "status": "failed" if cancelled else job.status.value,
        "image_url": artifact_url(api, job.artifacts[0]) if job.artifacts else None,
        "created_at": time_of(job.created_at),
        "updated_at": time_of(job.updated_at),
        "progress": progress_of(job),
        "eta_seconds": None,
        "poll_after_ms": None if job.status.is_end else POLL_AFTER_MS,
        "as_of": api.as_of(),
    }
    if job.status is JobStatus.PROCESSING:
        document["request_id"] = job.request_id
    if job.error_code is not None:
        message = await error_message(api, job)
        document |= {"error": message, "error_message": message, "error_code": job.error_code}
    return document


async def list_document(api: Api, job: Job) -> dict[str, Any]:
    """The status document plus what was asked for."""
    wanted = await input_of(api, job)
    document = await status_document(api, job)
    names = ("prompt", "aspect_ratio", "resolution", "blog_url")
    return document | {name: wanted.get(name) for name in names} | {"retry_of": job.retry_of}


async def job_document(api: Api, job: Job) -> dict[str, Any]:
    error = None
    if job.error_code is not None:
        error = {"code": job.error_code, "message": await error_message(api, job)}
    return {
        "id": job.job_id,
        "kind": job.kind,
        "status": job.status.value,
        "input": await input_of(api, job),
        "price": job.price_credits,
        "provider": job.provider or api.settings.provider_name,
        "request_id": job.request_id,
        "attempt": job.attempt,
        "progress": progress_of(job),
        "eta_seconds": None,
        "artifacts": [artifact_document(api, artifact) for artifact in job.artifacts],
        "error": error,
        "retry_of": job.retry_of,
        "retried_as": await _retried_as(api, job),
        "run_id": None,
        "step": None,
        "created_at": time_of(job.created_at),
        "updated_at": time_of(job.updated_at),
        "as_of": api.as_of(),
    }


async def _retried_as(api: Api, job: Job) -> str | None:
    if job.error_code is None:
        return None
    return await api.database.read(lambda connection: newest_retry(connection, job.job_id))


def progress_of(job: Job) -> int:
    return 100 if job.status is JobStatus.COMPLETED else 0


async def input_of(api: Api, job: Job) -> dict[str, Any]:
    try:
        fields = msgspec.json.decode(await api.vault.unseal(job.account_id, job.input))
    except Unreadable:
        return {}
    return fields if isinstance(fields, dict) else {}


async def error_message(api: Api, job: Job) -> str:
    told = await api.vault.unseal_text(job.account_id, job.error_message)
    return told or JOB_CODES.get(job.error_code or "", "The job failed.")


def artifact_url(api: Api, artifact: Artifact) -> str | None:
    if artifact.key is None:
        return artifact.url
    return api.storage.public_url(artifact.key) or f"{api.settings.origin}/{artifact.key}"


def artifact_document(api: Api, artifact: Artifact) -> dict[str, Any]:
    return {
        "url": artifact_url(api, artifact),
        "media_type": artifact.media_type,
        "width": artifact.width,
        "height": artifact.height,
        "bytes": artifact.size_bytes,
        "sha256": artifact.sha256,
    }


def credits_document(api: Api, balance: Balance) -> dict[str, Any]:
    account = balance.account
    return {
        "available": account.available,
        "held": account.held,
        "spent": account.charged,
        "granted": account.granted,
        "revoked": account.revoked,
        "as_of": api.as_of(),
    }


def entry_document(entry: Entry) -> dict[str, Any]:
    return {
        "sequence": entry.sequence,
        "at": time_of(entry.at),
        "move": entry.move,
        "amount": entry.amount,
        "job_id": entry.job_id,
        "actor": entry.actor,
        "reason": entry.reason,
        "available_after": entry.available_after,
        "held_after": entry.held_after,
    }
