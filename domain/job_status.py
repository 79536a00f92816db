"""The five states that a job's owner sees."""

from enum import StrEnum


class JobStatus(StrEnum):
    PENDING = "pending"  # Accepted; the provider has not taken it yet.
    PROCESSING = "processing"  # The provider has it.
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_end(self) -> bool:
        return self in {JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED}
