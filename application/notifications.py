"""Notifications as an endpoint receives them: ids, states and URLs. What people wrote or got is not
among them: whoever may read it fetches it with a token.
"""

from typing import Literal

from msgspec import Struct

from application.documents import ArtifactDocument, Time, Url
from contracts.ids import AccountId, JobId
from contracts.job_state import End
from domain.statuses import StepStatus


class NotifiedJob(Struct, frozen=True, kw_only=True):
    """A job as it ended. `account` is whose job it is: the endpoint's own account, or one that
    belongs to it.
    """

    id: JobId
    account: AccountId
    kind: str
    status: End
    url: Url
    artifacts: tuple[ArtifactDocument, ...]
    error_code: str | None
    retry_of: str | None
    run_id: str | None
    step: int | None


class NotifiedStep(Struct, frozen=True):
    step: int
    status: StepStatus
    job_id: JobId


class NotifiedRun(Struct, frozen=True, kw_only=True):
    """A run as it ended. The jobs of a cancelled run end a moment after it, each with a
    notification of its own: until then its steps are shown as they are.
    """

    id: str
    account: AccountId
    project_id: str
    status: End
    url: Url
    steps: tuple[NotifiedStep, ...]


class JobNotification(Struct, frozen=True, kw_only=True):
    """A job has ended. `timestamp` is when."""

    type: Literal["job.completed", "job.failed", "job.cancelled"]
    timestamp: Time
    data: NotifiedJob


class RunNotification(Struct, frozen=True, kw_only=True):
    """A run has ended. `timestamp` is when."""

    type: Literal["run.completed", "run.failed", "run.cancelled"]
    timestamp: Time
    data: NotifiedRun


Notification = JobNotification | RunNotification
# By type, in the order of domain.notifications.
PAYLOADS: dict[str, type[Notification]] = {
    "job.completed": JobNotification,
    "job.failed": JobNotification,
    "job.cancelled": JobNotification,
    "run.completed": RunNotification,
    "run.failed": RunNotification,
    "run.cancelled": RunNotification,
}
