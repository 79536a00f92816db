"""Retries failed jobs: a retry is a new job that names the one it retries, with its own hold."""

from typing import Any

from litestar import post
from litestar.params import FromPath
from msgspec import Struct

from adapters.http_server import AnyRequest, AnyResponse
from contracts.events import JobRequested
from domain import job_kinds
from domain.account import RequestJobs
from domain.job_kinds.infograph import Infograph
from domain.retries import check_job_can_be_retried, kind_to_retry
from read_models.jobs import Job
from services.api.dependencies import api_of
from services.api.documents import job_document, list_document
from services.api.handlers.answer_once import Done, Nothing, answer_each_once, answer_once
from services.api.handlers.authenticate_callers import caller_of
from services.api.handlers.create_jobs import (
    answer,
    preference_of,
    wait_for_submission,
    work_of,
)


@post("/{id:str}/retry", status_code=201)
async def retry_infograph(request: AnyRequest, id: FromPath[str]) -> AnyResponse:  # noqa: A002
    """Try a failed infograph again, as a new one. 409 when it has not failed or is retried."""
    return await _retry(request, id, list_document, "/api/infographs/status/{}/", Infograph.name)


@post("/jobs/{id:str}/retry", status_code=201)
async def retry_job(request: AnyRequest, id: FromPath[str]) -> AnyResponse:  # noqa: A002
    """Try a failed job again, as a new one. 409 when it has not failed or is retried."""
    return await _retry(request, id, job_document, "/api/jobs/{}")


async def _retry(
    request: AnyRequest, text: str, document: Any, path: str, kind_name: str | None = None
) -> AnyResponse:
    api, caller = api_of(request), caller_of(request)
    preference = preference_of(request, api.settings.create_wait_seconds)
    granted = await answer_once(request, Nothing(), lambda: _again(request, text, kind_name))
    (job_id, *_) = await wait_for_submission(api, caller, granted, preference)
    await api.wait_until_current(caller.account_id, None)
    shown = await document(api, await api.job_of(caller.account_id, job_id))
    shown["as_of"] = api.cursor(granted.sequence)
    return answer(request, granted, preference, shown, [api.settings.origin + path.format(job_id)])


async def retry_one(request: AnyRequest, text: str, body: Struct) -> Done:
    """One of the many that `body` names; under an Idempotency-Key each has a key of its own."""

    async def prepare() -> RequestJobs:
        return await _again(request, text, Infograph.name)

    granted = await answer_each_once(request, body, text, prepare)
    new = next(event.job_id for event in granted.events if isinstance(event, JobRequested))
    shown = {"status": "pending", "retried_as": new}
    return Done(shown, granted.sequence, granted.replayed)


async def _again(request: AnyRequest, text: str, kind_name: str | None) -> RequestJobs:
    job = await api_of(request).job_of(caller_of(request).account_id, text, kind_name)
    kind = await _failed_kind(request, job)
    return await work_of(request, kind, retry_of=job.job_id)


async def _failed_kind(request: AnyRequest, job: Job) -> job_kinds.AnyJobKind:
    """Return the failed job's checked input; the log says whether it has failed."""
    api = api_of(request)
    loaded = await api.jobs.load(job.job_id, job.requested_sequence)
    check_job_can_be_retried(loaded.state if loaded is not None else None)
    return kind_to_retry(job.kind, await api.vault.unseal(job.account_id, job.input))
