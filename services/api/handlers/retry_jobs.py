"""Retries failed jobs: a retry is a new job that names the one it retries, and is paid again."""

from litestar import Response, post
from litestar.params import FromPath
from msgspec import Struct

from application.account_commands import CommandResult
from contracts.ids import AccountId
from domain.account import RequestJobs
from domain.job_kinds.infograph import Infograph
from domain.retries import check_job_can_be_retried, kind_to_retry
from services.api.dependencies import Api, Injected
from services.api.documents import (
    InfographDocument,
    JobDocument,
    ShowJob,
    infograph_document,
    job_document,
)
from services.api.handlers.answers import Answered
from services.api.handlers.idempotency import NoBody, execute_once, execute_part_once
from services.api.handlers.request_context import RequestContext
from services.api.handlers.request_work import created, new_jobs, wait_for_submission


@post("/{id:str}/retry", status_code=201)
async def retry_infograph(
    api: Injected[Api], context: Injected[RequestContext], id: FromPath[str]
) -> Response[InfographDocument]:
    """Try a failed infograph again, as a new one. 409 when it has not failed or is retried."""
    path = "/api/infographs/status/{}/"
    return await _retry(api, context, id, infograph_document, path, Infograph.name)


@post("/jobs/{id:str}/retry", status_code=201)
async def retry_job(
    api: Injected[Api], context: Injected[RequestContext], id: FromPath[str]
) -> Response[JobDocument]:
    """Try a failed job again, as a new one. 409 when it has not failed or is retried."""
    return await _retry(api, context, id, job_document, "/api/jobs/{}")


async def retry_one(api: Api, context: RequestContext, text: str, body: Struct) -> CommandResult:
    """Retry one of the many infographs that `body` names, each under a key of its own."""
    return await execute_part_once(
        api, context, body, text, lambda: _new_job(api, context.account, text, Infograph.name)
    )


async def _retry(
    api: Api,
    context: RequestContext,
    text: str,
    show: ShowJob[Answered],
    path: str,
    kind: str | None = None,
) -> Response[Answered]:
    account = context.account
    result = await execute_once(api, context, NoBody(), lambda: _new_job(api, account, text, kind))
    (job_id, *_) = await wait_for_submission(api, context, result)
    await api.wait_until_current(account)
    document = await show(api, await api.job_of(account, job_id), api.cursor(result.sequence))
    return created(api, context, result, document, [api.settings.origin + path.format(job_id)])


async def _new_job(api: Api, account: AccountId, text: str, kind_name: str | None) -> RequestJobs:
    """Ask for the failed job's input once more; the log says whether it has failed."""
    job = await api.job_of(account, text, kind_name)
    loaded = await api.jobs.load(job.job_id, job.requested_sequence)
    check_job_can_be_retried(loaded.state if loaded is not None else None)
    kind = kind_to_retry(job.kind, await api.vault.unseal(account, job.input))
    return await new_jobs(api, account, kind, retry_of=job.job_id)
