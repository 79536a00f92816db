"""The states of jobs, of runs and their steps, and of deliveries, as their owners see them."""

from enum import StrEnum

from msgspec import Struct

from contracts.ids import JobId
from contracts.sealed import Sealed


class JobStatus(StrEnum):
    PENDING = "pending"  # Accepted; the provider has not taken it yet.
    PROCESSING = "processing"  # The provider has it.
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_end(self) -> bool:
        return self in {JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED}


class RunStatus(StrEnum):
    RUNNING = "running"
    COMPLETED = "completed"  # Every step has completed.
    FAILED = "failed"  # Every step has ended, at least one without success.
    CANCELLED = "cancelled"


class StepStatus(StrEnum):
    PENDING = "pending"  # Waits for the steps before it.
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def has_failed(self) -> bool:
        """Tell whether it ended without success, whoever ended it: it can be run again."""
        return self in {StepStatus.FAILED, StepStatus.CANCELLED}


class ShownStep(Struct, kw_only=True, omit_defaults=True):
    """A step as its owner sees it. Times are in microseconds."""

    step: int
    name: str
    job_id: JobId
    status: StepStatus = StepStatus.PENDING
    code: str | None = None
    message: Sealed | None = None
    started_at: int | None = None
    ended_at: int | None = None
    taken: bool = False  # From the run that this one continues.


class DeliveryStatus(StrEnum):
    WAITING = "waiting"  # To be sent, or to be tried again.
    SENT = "sent"
    FAILED = "failed"  # Given up.
