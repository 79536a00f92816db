"""Requests runs of a funnel: all its steps at once, or what failed once more; cancels them."""

from datetime import timedelta
from typing import Annotated, Any

import msgspec
from litestar import Response, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct, field

from application.account_commands import CommandResult
from application.clock import fresh_job_id, now
from contracts.events import JobRequested, RequestedStep, RunRequested
from contracts.ids import AccountId, RunId
from domain.account import RequestJobs
from domain.funnels import COURSE_FUNNEL
from domain.job_kinds.funnel_step import FunnelStep
from domain.refusals import Refused, invalid
from domain.retries import steps_to_retry, taken_over
from domain.run import CancelRun
from domain.text import Line, ProjectId, check_json
from services.api.dependencies import Api, Injected
from services.api.documents.runs import RunDocument, run_document
from services.api.handlers.answers import committed, of_result
from services.api.handlers.idempotency import KEY_USED_OTHERWISE, execute_once
from services.api.handlers.request_context import RequestContext
from services.api.handlers.show_runs import NO_SUCH_RUN, newest_run, run_of

INTAKE_BYTES_MAX = 64 * 1024
WAITING_SECONDS_MAX = 7 * 24 * 3600  # A step's own deadline begins when the run starts it.


class GenerateAll(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """`intake` is what the texts are made from: any JSON, at most 64 KB."""

    project_id: ProjectId
    intake: dict[str, Any] | str
    intake_id: Annotated[Line, Meta(min_length=1, max_length=200)] | None = None

    def __post_init__(self) -> None:
        check_json("intake", self.intake)


class RetryFailed(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Without `steps`, all that failed."""

    project_id: ProjectId
    steps: Annotated[list[int], Meta(min_length=1, max_length=20)] | None = None


class RunStarted(Struct, kw_only=True, rename="camel"):
    """The new run of a project."""

    run_id: RunId
    project_id: str
    as_of: str = field(name="as_of")


@post("/auto-generate-all", status_code=202)
async def generate_all(
    api: Injected[Api], context: Injected[RequestContext], data: JSONBody[GenerateAll]
) -> Response[RunStarted]:
    """Write all texts of a project, 1 credit a step. 409 while a run of it is under way."""
    intake = msgspec.json.encode(data.intake)
    if len(intake) > INTAKE_BYTES_MAX:
        raise Refused("too_large", f"intake: at most {INTAKE_BYTES_MAX} bytes")
    if not data.intake:
        raise invalid("intake", "must not be empty")
    account = context.account

    async def prepare() -> RequestJobs:
        await api.take_work(account)
        run = RunRequested(
            run_id=RunId(fresh_job_id()),
            account_id=account,
            funnel=COURSE_FUNNEL.name,
            project_id=data.project_id,
            intake_id=data.intake_id,
            intake=await api.vault.seal(account, intake),
            steps=tuple(
                RequestedStep(step=each.number, name=each.name, job_id=fresh_job_id())
                for each in COURSE_FUNNEL.steps
            ),
        )
        return await _jobs_of(api, run)

    result = await execute_once(api, context, data, prepare)
    return _answer(api, data.project_id, result)


@post("/retry-failed", status_code=202)
async def retry_failed(
    api: Injected[Api], context: Injected[RequestContext], data: JSONBody[RetryFailed]
) -> Response[RunStarted]:
    """Run the failed steps again: a new run takes over what is finished, and pays only the rest."""
    account = context.account
    result = await execute_once(api, context, data, lambda: _run_again(api, account, data))
    return _answer(api, data.project_id, result)


async def _run_again(api: Api, account: AccountId, data: RetryFailed) -> RequestJobs:
    await api.take_work(account)
    last = await newest_run(api, account, data.project_id)
    if last is None:
        raise Refused("not_found", "nothing was ever generated for this project")
    wanted = steps_to_retry(last.run_id, last.status, last.steps, data.steps)
    recorded = await api.log.read(last.requested_sequence)
    first = next(
        event
        for event in (recorded.commit.events if recorded is not None else ())
        if isinstance(event, RunRequested) and event.run_id == last.run_id
    )
    run = RunRequested(
        run_id=RunId(fresh_job_id()),
        account_id=account,
        funnel=last.funnel,
        project_id=last.project_id,
        intake_id=last.intake_id,
        intake=first.intake,
        continues=last.run_id,
        steps=tuple(
            RequestedStep(step=each.step, name=each.name, job_id=fresh_job_id())
            if each.step in wanted
            else taken_over(each)
            for each in last.steps
        ),
    )
    return await _jobs_of(api, run)


@post("/runs/{id:str}/cancel", status_code=200)
async def cancel_run(
    api: Injected[Api], context: Injected[RequestContext], id: FromPath[str]
) -> Response[RunDocument]:
    """Cancel a run: what is unused comes back, what succeeded is kept. 409 when it has ended."""
    account = context.account
    run = await run_of(api, account, id)
    loaded = await api.runs.load(run.run_id, run.requested_sequence)
    if loaded is None:
        raise Refused("not_found", NO_SUCH_RUN)
    command = CancelRun(by=context.caller.actor)
    decision = await api.runs.decide(loaded, command, request=context.commit_request())
    api.note_write(account, decision.sequence)
    context.is_carried_out = True
    await api.wait_until_current(account)
    as_of = api.cursor(decision.sequence or run.sequence)
    return committed(await run_document(api, await run_of(api, account, id), as_of), 200)


async def _jobs_of(api: Api, run: RunRequested) -> RequestJobs:
    """Ask for the jobs of the steps that are not taken over, all or none."""
    deadline_at = now() + timedelta(seconds=WAITING_SECONDS_MAX)
    jobs = [
        JobRequested(
            job_id=each.job_id,
            account_id=run.account_id,
            kind=FunnelStep.name,
            input=await api.vault.seal(run.account_id, _input(run, each)),
            price_credits=FunnelStep.price_credits,
            deadline_at=deadline_at,
            duration_class=str(each.step),
            run_id=run.run_id,
            step=each.step,
        )
        for each in run.steps
        if each.end is None
    ]
    return RequestJobs(tuple(jobs), api.settings.account_jobs_in_flight_max, run)


def _input(run: RunRequested, step: RequestedStep) -> bytes:
    return msgspec.json.encode({"project_id": run.project_id, "step": step.step})


def _answer(api: Api, project: str, result: CommandResult) -> Response[RunStarted]:
    run = next((event for event in result.events if isinstance(event, RunRequested)), None)
    if run is None:
        raise Refused("idempotency_key_reused", KEY_USED_OTHERWISE)
    headers = {"Location": f"{api.settings.origin}/api/runs/{run.run_id}"}
    as_of = api.cursor(result.sequence)
    document = RunStarted(run_id=run.run_id, project_id=project, as_of=as_of)
    return of_result(result, document, 202, headers)
