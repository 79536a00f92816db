"""What may be run again: a failed job as a new job, the failed steps of a run as a new run."""

from collections.abc import Iterable, Sequence

from contracts.events import RequestedStep
from contracts.ids import RunId
from contracts.job_state import End, JobState
from domain import job_kinds
from domain.refusals import Refused, invalid
from domain.statuses import RunStatus, ShownStep
from domain.times import time_of


def check_job_can_be_retried(job: JobState | None) -> None:
    """Raise Refused unless the job has ended without success. A step is retried with its run. That
    no job has two retries at a time is decided by its account.
    """
    if job is None or job.end not in {End.FAILED, End.CANCELLED}:
        raise Refused("not_failed", "the job has not failed")
    if job.run_id is not None:
        raise Refused(
            "not_failed", "a step is retried with its run: POST /api/generate/retry-failed"
        )


def kind_to_retry(name: str, plain: bytes) -> job_kinds.AnyJobKind:
    """Return the failed job's input, checked; raise Refused when its kind was retired."""
    kind = job_kinds.recall(name, plain)
    if kind is None:
        raise Refused("not_failed", "this kind of job is no longer made")
    return kind


def steps_to_retry(
    run_id: RunId, status: RunStatus, steps: Sequence[ShownStep], wanted: Iterable[int] | None
) -> set[int]:
    """Return which steps of a run are run again: the wanted ones, or all that failed. Raise
    Refused while the run is under way, and for a step that has not failed.
    """
    if status is RunStatus.RUNNING:
        raise Refused("run_active", f"the run {run_id} is under way", runId=run_id)
    failed = {each.step for each in steps if each.status.has_failed}
    chosen = failed if wanted is None else set(wanted)
    if unknown := chosen - {each.step for each in steps}:
        raise invalid("steps", f"there is no step {min(unknown)}")
    if not chosen or not chosen <= failed:
        detail = f"step {min(chosen - failed)} has not failed" if chosen else "no step has failed"
        raise Refused("step_not_failed", detail)
    return chosen


def taken_over(step: ShownStep) -> RequestedStep:
    """Return a step as the new run has it when it is not run again: with its job, and as it ended.
    It costs nothing more.
    """
    return RequestedStep(
        step=step.step,
        name=step.name,
        job_id=step.job_id,
        end=End(step.status),
        code=step.code,
        ended_at=time_of(step.ended_at) if step.ended_at is not None else None,
    )
