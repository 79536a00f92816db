"""Shows runs: as documents, as seed 003's generation status, and the texts they wrote."""

from typing import Literal

from litestar import get
from litestar.params import FromPath, FromQuery
from msgspec import UNSET, Struct, UnsetType
from sqlalchemy import Connection

from application.documents import Time
from contracts.ids import AccountId, BadId, RunId, run_id
from domain.refusals import Refused
from domain.statuses import RunStatus, ShownStep, StepStatus
from domain.times import text_of
from read_models import exclusive_keys, runs
from read_models.jobs import Job
from read_models.runs import Run
from services.api.dependencies import Api, Injected
from services.api.documents.runs import RunDocument, run_document, step_error
from services.api.handlers.callers import Caller

NO_SUCH_RUN = "there is no such run in this account"
# As seed 003 names them.
StepView = Literal["pending", "in_progress", "completed", "failed"]
_SHOWN_AS: dict[StepStatus, StepView] = {
    StepStatus.PENDING: "pending",
    StepStatus.IN_PROGRESS: "in_progress",
    StepStatus.COMPLETED: "completed",
    StepStatus.FAILED: "failed",
    StepStatus.CANCELLED: "failed",
}


class FailedStep(Struct, frozen=True, kw_only=True):
    """A step that failed, and why."""

    step: int
    error: str


class StepProgress(Struct, frozen=True, kw_only=True, rename="camel"):
    """How far one step is. A cancelled one is shown as failed."""

    step: int
    step_name: str
    status: StepView
    error: str | UnsetType = UNSET
    completed_at: Time | UnsetType = UNSET


class GenerationStatus(Struct, frozen=True, kw_only=True, rename="camel"):
    """How far the newest run of a project is. `progress` has its steps in their order."""

    is_generating: bool
    current_step: int | None
    completed_steps: list[int]
    failed_steps: list[FailedStep]
    progress: list[StepProgress]
    started_at: Time | None


class ContentDocument(Struct, frozen=True, kw_only=True, rename="camel"):
    """The text that a step wrote."""

    step: int
    step_name: str
    content: str
    completed_at: Time | None


class TextDocument(Struct, frozen=True, kw_only=True):
    """The text that a job wrote."""

    text: str
    media_type: str


@get("/runs/{id:str}")
async def show_run(api: Injected[Api], caller: Injected[Caller], id: FromPath[str]) -> RunDocument:
    """One run with its steps."""
    return await run_document(api, await run_of(api, caller.account_id, id))


@get("/generate/generation-status")
async def show_generation_status(
    api: Injected[Api],
    caller: Injected[Caller],
    projectId: FromQuery[str],  # noqa: N803 - the seed's name.
) -> GenerationStatus:
    """How far the newest run of a project is. An unknown project is idle."""
    run = await newest_run(api, caller.account_id, projectId)
    steps = run.steps if run is not None else ()
    current = next((each.step for each in steps if each.status is StepStatus.IN_PROGRESS), None)
    return GenerationStatus(
        is_generating=run is not None and run.status is RunStatus.RUNNING,
        current_step=current,
        completed_steps=[each.step for each in steps if each.status is StepStatus.COMPLETED],
        failed_steps=[
            FailedStep(step=each.step, error=await step_error(api, run, each))
            for each in steps
            if run is not None and each.status.has_failed
        ],
        progress=[await _progress(api, run, each) for each in steps if run is not None],
        started_at=text_of(run.started_at) if run is not None else None,
    )


@get("/generate/content")
async def show_content(
    api: Injected[Api],
    caller: Injected[Caller],
    projectId: FromQuery[str],  # noqa: N803 - the seed's name.
    step: FromQuery[int],
) -> ContentDocument:
    """The text of a finished step, readable while others run. 404 until it is finished."""
    run = await newest_run(api, caller.account_id, projectId)
    found = next((each for each in run.steps if each.step == step), None) if run else None
    if run is None or found is None or found.status is not StepStatus.COMPLETED:
        raise Refused("not_found", "there is no finished text of this step")
    job = (await api.jobs_by_id([found.job_id])).get(found.job_id)
    return ContentDocument(
        step=found.step,
        step_name=found.name,
        content=await _written_text(api, job),
        completed_at=text_of(found.ended_at) if found.ended_at is not None else None,
    )


@get("/jobs/{id:str}/text")
async def show_text(
    api: Injected[Api], caller: Injected[Caller], id: FromPath[str]
) -> TextDocument:
    """The text that a job wrote. 404 when it wrote none."""
    job = await api.job_of(caller.account_id, id)
    text = await _written_text(api, job)
    return TextDocument(text=text, media_type=job.artifacts[0].media_type)


async def _written_text(api: Api, job: Job | None) -> str:
    texts = [each.text for each in job.artifacts if each.text] if job is not None else []
    if job is None or not texts or job.deleted:
        raise Refused("not_found", "there is no text")
    return await api.vault.unseal_text(job.account_id, texts[0]) or ""


async def newest_run(api: Api, account: AccountId, project: str) -> Run | None:
    """Return the newest run of a project, None when there never was one."""

    def look(connection: Connection) -> Run | None:
        found = exclusive_keys.find(connection, account, f"project:{project}")
        return runs.find(connection, RunId(found.newest)) if found is not None else None

    return await api.newest_of(account, look)


async def run_of(api: Api, account: AccountId, text: str) -> Run:
    """Return the account's run; raise Refused `not_found` for any other."""
    try:
        wanted = run_id(text)
    except BadId:
        raise Refused("not_found", NO_SUCH_RUN) from None
    run = await api.newest_of(account, lambda connection: runs.find(connection, wanted))
    if run is None or run.account_id != account:
        raise Refused("not_found", NO_SUCH_RUN)
    return run


async def _progress(api: Api, run: Run, step: ShownStep) -> StepProgress:
    is_completed = step.status is StepStatus.COMPLETED and step.ended_at is not None
    return StepProgress(
        step=step.step,
        step_name=step.name,
        status=_SHOWN_AS[step.status],
        error=await step_error(api, run, step) if step.status.has_failed else UNSET,
        completed_at=text_of(step.ended_at or 0) if is_completed else UNSET,
    )
