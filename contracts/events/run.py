"""Decisions about one run: which step goes now, how each ended, and its own end."""

from datetime import datetime

from contracts.events.base import EventOfRun
from contracts.ids import JobId
from contracts.job_state import End
from contracts.sealed import Sealed


class RunStepStarted(EventOfRun, frozen=True, kw_only=True, tag="run.step_started.v1"):
    """From here on the step's job, which waited for this, can be submitted."""

    step: int
    job_id: JobId
    input: Sealed  # JSON, built from the intake and from earlier outputs.
    deadline_at: datetime


class RunStepSettled(EventOfRun, frozen=True, kw_only=True, tag="run.step_settled.v1"):
    step: int
    job_id: JobId
    end: End


class RunCompleted(EventOfRun, frozen=True, kw_only=True, tag="run.completed.v1"):
    """Every step has completed."""


class RunFailed(EventOfRun, frozen=True, kw_only=True, tag="run.failed.v1"):
    """Every step has ended, at least one without success. What succeeded is kept."""


class RunCancelled(EventOfRun, frozen=True, kw_only=True, tag="run.cancelled.v1"):
    """No further step is started, open jobs are cancelled; each job's end settles its hold."""

    by: str
