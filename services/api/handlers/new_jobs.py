"""Makes jobs of checked input, and asks the caller's account for them."""

from datetime import timedelta

import msgspec
from msgspec import Struct

from application.account_commands import CommandResult
from application.clock import fresh_job_id, now
from contracts.events import JobRequested
from contracts.ids import AccountId, JobId
from domain.account import RequestJobs
from domain.job_kinds import AnyJobKind
from domain.refusals import Refused
from services.api.dependencies import Api
from services.api.handlers.idempotency import KEY_USED_OTHERWISE, execute_once
from services.api.handlers.request_context import RequestContext


async def request_jobs(
    api: Api, context: RequestContext, kind: AnyJobKind, count: int, body: Struct
) -> CommandResult:
    """Request `count` jobs of one input. An Idempotency-Key stands for `body`."""
    account = context.caller.account_id
    return await execute_once(api, context, body, lambda: new_jobs(api, account, kind, count))


async def new_jobs(
    api: Api, account: AccountId, kind: AnyJobKind, count: int = 1, retry_of: JobId | None = None
) -> RequestJobs:
    """Let the work in and seal its input; return the command that the account has to execute."""
    await api.take_work(account)
    deadline_at = now() + timedelta(seconds=api.settings.job_deadline_seconds)
    sealed = await api.vault.seal(account, msgspec.json.encode(kind))
    jobs = tuple(
        JobRequested(
            job_id=fresh_job_id(),
            account_id=account,
            kind=kind.name,
            input=sealed,
            price_credits=kind.price_credits,
            deadline_at=deadline_at,
            retry_of=retry_of,
            duration_class=kind.duration_class(),
            exclusive_key=kind.exclusive_key(),
        )
        for _ in range(count)
    )
    return RequestJobs(jobs, api.settings.account_jobs_in_flight_max)


def job_ids_of(result: CommandResult) -> list[JobId]:
    """Return the jobs that a result has made; raise Refused if it has made none."""
    ids = [event.job_id for event in result.events if isinstance(event, JobRequested)]
    if not ids:
        raise Refused("idempotency_key_reused", KEY_USED_OTHERWISE)
    return ids
