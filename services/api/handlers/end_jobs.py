"""Ends jobs at their owner's wish: cancels open ones, deletes ended ones."""

from typing import Any

import structlog
from litestar import Response, delete, post
from litestar.params import FromPath
from msgspec import Struct

from adapters.http_server import AnyRequest, AnyResponse
from adapters.storage import StorageUnavailable
from application.job_commands import JobDecision
from domain.job import Cancel, Delete, JobCommand
from domain.job_kinds.infograph import Infograph
from domain.refusals import Refused
from read_models.jobs import Job
from services.api.dependencies import Api, api_of
from services.api.documents import job_document, status_document
from services.api.handlers.answer_errors import carried_out
from services.api.handlers.answer_once import Done
from services.api.handlers.authenticate_callers import asked_by, caller_of

logger = structlog.get_logger()


@post("/{id:str}/cancel", status_code=200)
async def cancel_infograph(request: AnyRequest, id: FromPath[str]) -> AnyResponse:  # noqa: A002
    """Cancel; its credits come back. 409 when it has ended; harmless to repeat."""
    return await _cancel(request, id, status_document, Infograph.name)


@post("/jobs/{id:str}/cancel", status_code=200)
async def cancel_job(request: AnyRequest, id: FromPath[str]) -> AnyResponse:  # noqa: A002
    """Cancel; its credits come back. 409 when it has ended; harmless to repeat."""
    return await _cancel(request, id, job_document)


@delete("/{id:str}", status_code=204)
async def delete_infograph(request: AnyRequest, id: FromPath[str]) -> Response[None]:  # noqa: A002
    """Delete an ended infograph and its artifacts. Its events and entries stay."""
    made = await _delete(request, id)
    cursor = api_of(request).cursor(made.sequence)
    return Response(None, status_code=204, headers={"Darkroom-As-Of": cursor})


async def delete_one(request: AnyRequest, text: str, _body: Struct) -> Done:
    return Done({"status": "deleted"}, (await _delete(request, text)).sequence)


async def cancel_one(request: AnyRequest, text: str, _body: Struct) -> Done:
    caller = caller_of(request)
    job = await api_of(request).job_of(caller.account_id, text, Infograph.name)
    made = await _decide(request, job, Cancel(by=caller.actor, reason="asked by its owner"))
    return Done({"status": "cancelled"}, made.sequence)


async def _delete(request: AnyRequest, text: str) -> JobDecision:
    """Cancelling is always let in; a deletion frees no byte of the log, so it is not."""
    api, account = api_of(request), caller_of(request).account_id
    await api.take_work(account)
    job = await api.job_of(account, text, Infograph.name)
    made = await _decide(request, job, Delete(by=caller_of(request).actor))
    await _remove_artifacts(api, job)
    return made


async def _cancel(
    request: AnyRequest, text: str, document: Any, kind: str | None = None
) -> AnyResponse:
    api, caller = api_of(request), caller_of(request)
    job = await api.job_of(caller.account_id, text, kind)
    made = await _decide(request, job, Cancel(by=caller.actor, reason="asked by its owner"))
    await api.wait_until_current(caller.account_id, None)
    shown = await document(api, await api.job_of(caller.account_id, text))
    sequence = made.sequence or job.sequence
    shown["as_of"] = api.cursor(sequence)
    return Response(shown, status_code=200, headers={"Darkroom-As-Of": api.cursor(sequence)})


async def _decide(request: AnyRequest, job: Job, command: JobCommand) -> JobDecision:
    api, caller = api_of(request), caller_of(request)
    loaded = await api.jobs.load(job.job_id, job.requested_sequence)
    if loaded is None:
        raise Refused("not_found", "there is no such job in this account")
    made = await api.jobs.decide(loaded, command, request=asked_by(request))
    api.note_write(caller.account_id, made.sequence)
    carried_out(request)
    return made


async def _remove_artifacts(api: Api, job: Job) -> None:
    """Remove at once what can be; the ingestor's sweep removes the rest and records it."""
    for artifact in job.artifacts:
        if artifact.key is None:
            continue
        try:
            await api.storage.delete(artifact.key)
        except StorageUnavailable as error:
            logger.warning("artifact_not_removed_yet", job=job.job_id, reason=str(error))
