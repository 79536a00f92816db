"""The states of a run and of its steps that their owner sees."""

from enum import StrEnum


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
