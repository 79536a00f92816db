"""Requests runs of a funnel: all its steps at once, or what failed once more; cancels them."""

from datetime import timedelta
from typing import Annotated, Any

import msgspec
from litestar import Response, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from adapters.http_server import AnyRequest, AnyResponse
from application.account_commands import CommandResult
from application.clock import fresh_job_id, now
from contracts.events import JobRequested, RequestedStep, RunRequested
from contracts.ids import RunId
from contracts.sealed import Sealed
from domain.account import RequestJobs
from domain.funnels import COURSE_FUNNEL
from domain.job_kinds.funnel_step import FunnelStep
from domain.refusals import Refused, invalid
from domain.retries import steps_to_retry, taken_over
from domain.run import CancelRun
from domain.text import Line, ProjectId, check_json
from services.api.dependencies import api_of
from services.api.documents import run_document
from services.api.handlers.answer_errors import carried_out
from services.api.handlers.answer_once import answer_once, headers_of
from services.api.handlers.authenticate_callers import asked_by, caller_of
from services.api.handlers.create_jobs import strict
from services.api.handlers.show_runs import newest_run, run_of

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


@post("/auto-generate-all", status_code=202)
async def generate_all(request: AnyRequest, data: JSONBody[GenerateAll]) -> AnyResponse:
    """Write all texts of a project, 1 credit a step. 409 while a run of it is under way."""
    data = await strict(request, GenerateAll)
    intake = msgspec.json.encode(data.intake)
    if len(intake) > INTAKE_BYTES_MAX:
        raise Refused("too_large", f"intake: at most {INTAKE_BYTES_MAX} bytes")
    if not data.intake:
        raise invalid("intake", "must not be empty")
    account = caller_of(request).account_id

    async def prepare() -> RequestJobs:
        await api_of(request).take_work(account)
        run = RunRequested(
            run_id=RunId(fresh_job_id()),
            account_id=account,
            funnel=COURSE_FUNNEL.name,
            project_id=data.project_id,
            intake_id=data.intake_id,
            intake=await api_of(request).vault.seal(account, intake),
            steps=tuple(
                RequestedStep(step=each.number, name=each.name, job_id=fresh_job_id())
                for each in COURSE_FUNNEL.steps
            ),
        )
        return await _work_of(request, run)

    granted = await answer_once(request, data, prepare)
    return _answer(request, data.project_id, granted)


@post("/retry-failed", status_code=202)
async def retry_failed(request: AnyRequest, data: JSONBody[RetryFailed]) -> AnyResponse:
    """Run the failed steps again: a new run takes over what is finished, and pays only the rest."""
    data = await strict(request, RetryFailed)
    granted = await answer_once(request, data, lambda: _again(request, data))
    return _answer(request, data.project_id, granted)


async def _again(request: AnyRequest, data: RetryFailed) -> RequestJobs:
    api, account = api_of(request), caller_of(request).account_id
    await api.take_work(account)
    known = await newest_run(api, account, data.project_id)
    if known is None:
        raise Refused("not_found", "nothing was ever generated for this project")
    wanted = steps_to_retry(known.run_id, known.status, known.steps, data.steps)
    recorded = await api.log.read(known.requested_sequence)
    first = next(
        event
        for event in (recorded.commit.events if recorded is not None else ())
        if isinstance(event, RunRequested) and event.run_id == known.run_id
    )
    run = RunRequested(
        run_id=RunId(fresh_job_id()),
        account_id=account,
        funnel=known.funnel,
        project_id=known.project_id,
        intake_id=known.intake_id,
        intake=first.intake,
        continues=known.run_id,
        steps=tuple(
            RequestedStep(step=each.step, name=each.name, job_id=fresh_job_id())
            if each.step in wanted
            else taken_over(each)
            for each in known.steps
        ),
    )
    return await _work_of(request, run)


@post("/runs/{id:str}/cancel", status_code=200)
async def cancel_run(request: AnyRequest, id: FromPath[str]) -> AnyResponse:  # noqa: A002
    """Cancel a run: what is unused comes back, what succeeded is kept. 409 when it has ended."""
    api, caller = api_of(request), caller_of(request)
    run = await run_of(api, caller.account_id, id)
    known = await api.runs.load(run.run_id, run.requested_sequence)
    if known is None:
        raise Refused("not_found", "there is no such run in this account")
    command = CancelRun(by=caller.actor)
    made = await api.runs.decide(known, command, request=asked_by(request))
    api.note_write(caller.account_id, made.sequence)
    carried_out(request)
    await api.wait_until_current(caller.account_id, None)
    shown = await run_document(api, await run_of(api, caller.account_id, id))
    shown["as_of"] = api.cursor(made.sequence or run.sequence)
    return Response(shown, status_code=200, headers={"Darkroom-As-Of": shown["as_of"]})


async def _work_of(request: AnyRequest, run: RunRequested) -> RequestJobs:
    """Ask for the steps that are not taken over, all or none."""
    api, account = api_of(request), caller_of(request).account_id
    deadline_at = now() + timedelta(seconds=WAITING_SECONDS_MAX)
    jobs = [
        JobRequested(
            job_id=each.job_id,
            account_id=account,
            kind=FunnelStep.name,
            input=await _seal(request, {"project_id": run.project_id, "step": each.step}),
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


async def _seal(request: AnyRequest, fields: dict[str, Any]) -> Sealed:
    account = caller_of(request).account_id
    return await api_of(request).vault.seal(account, msgspec.json.encode(fields))


def _answer(request: AnyRequest, project: str, granted: CommandResult) -> AnyResponse:
    run = next((event for event in granted.events if isinstance(event, RunRequested)), None)
    if run is None:
        raise Refused("idempotency_key_reused", "the key was used for something else")
    as_of = api_of(request).cursor(granted.sequence)
    location = f"{api_of(request).settings.origin}/api/runs/{run.run_id}"
    headers = {**headers_of(request, granted), "Location": location}
    document = {"runId": run.run_id, "projectId": project, "as_of": as_of}
    return Response(document, status_code=202, headers=headers)
