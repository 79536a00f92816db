"""Decisions about one run: which step goes now, how each ended, and its own end."""

from datetime import datetime

from contracts.events.base import Event
from contracts.ids import AccountId, JobId, RunId
from contracts.job_state import End
from contracts.sealed import Sealed


class RunStepStarted(Event, frozen=True, kw_only=True, tag="run.step_started.v1"):
    """From here on the step's job, which waited for this, can be submitted."""

    run_id: RunId
    account_id: AccountId
    step: int
    job_id: JobId
    input: Sealed  # JSON, built from the intake and from earlier outputs.
    deadline_at: datetime


class RunStepSettled(Event, frozen=True, kw_only=True, tag="run.step_settled.v1"):
    run_id: RunId
    account_id: AccountId
    step: int
    job_id: JobId
    end: End


class RunCompleted(Event, frozen=True, kw_only=True, tag="run.completed.v1"):
    run_id: RunId
    account_id: AccountId


class RunFailed(Event, frozen=True, kw_only=True, tag="run.failed.v1"):
    """Every step has ended, at least one without success. What succeeded is kept."""

    run_id: RunId
    account_id: AccountId


class RunCancelled(Event, frozen=True, kw_only=True, tag="run.cancelled.v1"):
    """No further step is started, open jobs are cancelled; each job's end settles its hold."""

    run_id: RunId
    account_id: AccountId
    by: str
