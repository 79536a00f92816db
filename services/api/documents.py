"""Documents: jobs, runs and credit entries as the contract shows them."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

import msgspec

from adapters.vault import Unreadable
from application.clock import now
from application.documents import artifact_document
from contracts.events import Artifact
from domain.estimates import Expectation, eta_seconds, progress
from domain.refusals import JOB_CODES
from domain.statuses import JobStatus, RunStatus, ShownStep, StepStatus
from domain.times import micros_of, text_of
from read_models import exclusive_keys
from read_models.accounts import LedgerEntry
from read_models.jobs import Job
from read_models.runs import Run
from services.api.dependencies import Api

POLL_AFTER_MS = 2000

Document = dict[str, Any]  # As JSON shows it.
Row = TypeVar("Row")
Shown = TypeVar("Shown")
ShowJob = Callable[[Api, Job], Awaitable[Document]]


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


async def status_document(api: Api, job: Job) -> Document:
    """An infograph's status. A cancelled one is shown as failed."""
    cancelled = job.status is JobStatus.CANCELLED
    document = {
        "id": job.job_id,
        "status": "failed" if cancelled else job.status.value,
        "image_url": artifact_url(api, job.artifacts[0]) if job.artifacts else None,
        "created_at": text_of(job.created_at),
        "updated_at": text_of(job.updated_at),
        **estimate_of(job),
        "poll_after_ms": poll_after_ms(job),
        "as_of": api.as_of(),
    }
    if job.status is JobStatus.PROCESSING:
        document["request_id"] = job.request_id
    if job.error_code is not None:
        message = await error_message(api, job)
        document |= {"error": message, "error_message": message, "error_code": job.error_code}
    return document


async def list_document(api: Api, job: Job) -> Document:
    """An infograph in a list: its status, and the input that was given."""
    given = await input_of(api, job)
    document = await status_document(api, job)
    names = ("prompt", "aspect_ratio", "resolution", "blog_url")
    return document | {name: given.get(name) for name in names} | {"retry_of": job.retry_of}


async def job_document(api: Api, job: Job) -> Document:
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
        **estimate_of(job),
        "artifacts": [_artifact_document(api, job, each) for each in job.artifacts],
        "error": error,
        "retry_of": job.retry_of,
        "retried_as": job.retried_as,
        "run_id": job.run_id,
        "step": job.step,
        "created_at": text_of(job.created_at),
        "updated_at": text_of(job.updated_at),
        "as_of": api.as_of(),
    }


def elapsed_of(job: Job) -> int:
    """Return for how many microseconds the job has been under way, or was until its end."""
    until = micros_of(now()) if job.ended_at is None else job.ended_at
    return max(until - job.started_at, 0) if job.started_at is not None else 0


def progress_of(job: Job) -> int:
    if job.status is JobStatus.COMPLETED:
        return 100
    return progress(Expectation(job.expected_p50, job.expected_p90), elapsed_of(job))


def estimate_of(job: Job) -> Document:
    """How far the job is, and the seconds it may still take: null while too little is known."""
    eta = None
    if job.started_at is not None and not job.status.is_end:
        eta = eta_seconds(Expectation(job.expected_p50, job.expected_p90), elapsed_of(job))
    return {"progress": progress_of(job), "eta_seconds": eta}


def poll_after_ms(job: Job) -> int | None:
    """Return when to ask again: after a quarter of the time left, from 1 to 5 seconds."""
    if job.status.is_end:
        return None
    eta = estimate_of(job)["eta_seconds"]
    return POLL_AFTER_MS if eta is None else min(max(eta * 250, 1000), 5000)


async def input_of(api: Api, job: Job) -> Document:
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


def _artifact_document(api: Api, job: Job, artifact: Artifact) -> Document:
    """A file has an unguessable URL; a text is sealed, and read with a token."""
    if artifact.text is not None:
        return artifact_document(artifact, f"{api.settings.origin}/api/jobs/{job.job_id}/text")
    return artifact_document(artifact, artifact_url(api, artifact))


def entry_document(entry: LedgerEntry) -> Document:
    return {
        "sequence": entry.sequence,
        "at": text_of(entry.at),
        "move": entry.move,
        "amount": entry.amount,
        "job_id": entry.job_id,
        "actor": entry.actor,
        "reason": entry.reason,
        "available_after": entry.available_after,
        "held_after": entry.held_after,
    }


async def run_document(api: Api, run: Run) -> Document:
    exclusive_key = await api.database.read(
        exclusive_keys.find, run.account_id, f"project:{run.project_id}"
    )
    return {
        "id": run.run_id,
        "project_id": run.project_id,
        "intake_id": run.intake_id,
        "status": run.status,
        "steps": [await _step_document(api, run, each) for each in run.steps],
        "regeneration_count": max(exclusive_key.times - 1, 0) if exclusive_key is not None else 0,
        "started_at": text_of(run.started_at),
        "last_generated_at": _last_generated_at(run),
        "eta_seconds": await _eta_seconds(api, run),
        "as_of": api.as_of(),
    }


async def _step_document(api: Api, run: Run, step: ShownStep) -> Document:
    error = None
    if step.status.has_failed:
        error = {"code": step.code, "message": await step_error(api, run, step)}
    return {
        "step": step.step,
        "name": step.name,
        "status": step.status,
        "job_id": step.job_id,
        "error": error,
        "started_at": text_of(step.started_at) if step.started_at is not None else None,
        "completed_at": text_of(step.ended_at) if step.ended_at is not None else None,
    }


async def step_error(api: Api, run: Run, step: ShownStep) -> str:
    message = await api.vault.unseal_text(run.account_id, step.message)
    return message or JOB_CODES.get(step.code or "", "The step failed.")


def _last_generated_at(run: Run) -> str | None:
    completed = (each for each in run.steps if each.status is StepStatus.COMPLETED)
    ended = [each.ended_at for each in completed if each.ended_at]
    return text_of(max(ended)) if ended else None


async def _eta_seconds(api: Api, run: Run) -> int | None:
    """Estimate the step under way, and a usual job's time for each step that waits."""
    if run.status is not RunStatus.RUNNING:
        return None
    current = next((each for each in run.steps if each.status is StepStatus.IN_PROGRESS), None)
    if current is None:
        return None
    job = (await api.jobs_by_id([current.job_id])).get(current.job_id)
    if job is None or (left := estimate_of(job)["eta_seconds"]) is None:
        return None
    waiting = sum(each.status is StepStatus.PENDING for each in run.steps)
    return int(left + waiting * (job.expected_p50 or 0) / 1_000_000)
