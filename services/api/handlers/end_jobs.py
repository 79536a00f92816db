"""Ends jobs when their owner asks for it: cancels open ones, deletes ended ones."""

import structlog
from litestar import Response, delete, post
from litestar.params import FromPath

from adapters.storage import StorageUnavailable
from domain.job import Cancel, Delete, JobCommand
from domain.job_kinds.infograph import Infograph
from domain.refusals import Refused
from read_models.jobs import Job
from services.api.dependencies import NO_SUCH_JOB, Api, Injected
from services.api.documents import (
    JobDocument,
    ShowJob,
    StatusDocument,
    job_document,
    status_document,
)
from services.api.handlers.answers import Answered, committed, no_content
from services.api.handlers.request_context import RequestContext

logger = structlog.get_logger()


@post("/{id:str}/cancel", status_code=200)
async def cancel_infograph(
    api: Injected[Api], context: Injected[RequestContext], id: FromPath[str]
) -> Response[StatusDocument]:
    """Cancel; its credits come back. 409 when it has ended; harmless to repeat."""
    return await _cancel(api, context, id, status_document, Infograph.name)


@post("/jobs/{id:str}/cancel", status_code=200)
async def cancel_job(
    api: Injected[Api], context: Injected[RequestContext], id: FromPath[str]
) -> Response[JobDocument]:
    """Cancel; its credits come back. 409 when it has ended; harmless to repeat."""
    return await _cancel(api, context, id, job_document)


@delete("/{id:str}", status_code=204)
async def delete_infograph(
    api: Injected[Api], context: Injected[RequestContext], id: FromPath[str]
) -> Response[None]:
    """Delete an ended infograph and its artifacts. Its events and entries stay."""
    return no_content(api.cursor(await delete_one(api, context, id)))


async def delete_one(api: Api, context: RequestContext, text: str) -> int:
    """Delete an ended infograph; return the sequence of the commit. Unlike cancelling, this is
    refused while the log is full: a deletion frees no byte of the log.
    """
    await api.take_work(context.account)
    job = await api.job_of(context.account, text, Infograph.name)
    sequence = await _decide(api, context, job, Delete(by=context.caller.actor))
    await _remove_artifacts(api, job)
    return sequence


async def cancel_one(api: Api, context: RequestContext, job: Job) -> int:
    """Cancel a job; return the sequence of the commit, 0 when it was cancelled before."""
    command = Cancel(by=context.caller.actor, reason="asked by its owner")
    return await _decide(api, context, job, command)


async def _cancel(
    api: Api, context: RequestContext, text: str, show: ShowJob[Answered], kind: str | None = None
) -> Response[Answered]:
    job = await api.job_of(context.account, text, kind)
    sequence = await cancel_one(api, context, job)
    await api.wait_until_current(context.account)
    as_of = api.cursor(sequence or job.sequence)
    return committed(await show(api, await api.job_of(context.account, text), as_of), 200)


async def _decide(api: Api, context: RequestContext, job: Job, command: JobCommand) -> int:
    loaded = await api.jobs.load(job.job_id, job.requested_sequence)
    if loaded is None:
        raise Refused("not_found", NO_SUCH_JOB)
    decision = await api.jobs.decide(loaded, command, request=context.commit_request())
    api.note_write(context.account, decision.sequence)
    context.is_carried_out = True
    return decision.sequence


async def _remove_artifacts(api: Api, job: Job) -> None:
    """Remove at once what can be; the ingestor's sweep removes the rest and records it."""
    for artifact in job.artifacts:
        if artifact.key is None:
            continue
        try:
            await api.storage.delete(artifact.key)
        except StorageUnavailable as error:
            logger.warning("artifact_not_removed_yet", job=job.job_id, reason=str(error))
