"""Documents of runs: a run with its steps, and why a step failed."""

from msgspec import Struct

from application.documents import Time
from contracts.ids import JobId, RunId
from domain.refusals import JOB_CODES
from domain.statuses import RunStatus, ShownStep, StepStatus
from domain.times import text_of
from read_models import exclusive_keys
from read_models.runs import Run
from services.api.dependencies import Api
from services.api.documents import ErrorDocument, eta_of


class StepDocument(Struct, kw_only=True):
    """A step of a run, and the job that writes its text."""

    step: int
    name: str
    status: StepStatus
    job_id: JobId
    error: ErrorDocument | None
    started_at: Time | None
    completed_at: Time | None


class RunDocument(Struct, kw_only=True):
    """A run with its steps, in the order in which they run. `regeneration_count` says how often
    the project was generated again.
    """

    id: RunId
    project_id: str
    intake_id: str | None
    status: RunStatus
    steps: list[StepDocument]
    regeneration_count: int
    started_at: Time
    last_generated_at: Time | None
    eta_seconds: int | None
    as_of: str


async def run_document(api: Api, run: Run, as_of: str | None = None) -> RunDocument:
    exclusive_key = await api.database.read(
        exclusive_keys.find, run.account_id, f"project:{run.project_id}"
    )
    return RunDocument(
        id=run.run_id,
        project_id=run.project_id,
        intake_id=run.intake_id,
        status=run.status,
        steps=[await _step_document(api, run, each) for each in run.steps],
        regeneration_count=max(exclusive_key.times - 1, 0) if exclusive_key is not None else 0,
        started_at=text_of(run.started_at),
        last_generated_at=_last_generated_at(run),
        eta_seconds=await _eta_seconds(api, run),
        as_of=as_of or api.as_of(),
    )


async def _step_document(api: Api, run: Run, step: ShownStep) -> StepDocument:
    error = None
    if step.status.has_failed:
        error = ErrorDocument(code=step.code or "", message=await step_error(api, run, step))
    return StepDocument(
        step=step.step,
        name=step.name,
        status=step.status,
        job_id=step.job_id,
        error=error,
        started_at=text_of(step.started_at) if step.started_at is not None else None,
        completed_at=text_of(step.ended_at) if step.ended_at is not None else None,
    )


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
    if job is None or (left := eta_of(job)) is None:
        return None
    waiting = sum(each.status is StepStatus.PENDING for each in run.steps)
    return int(left + waiting * (job.expected_p50 or 0) / 1_000_000)
