"""Decisions about one job: its attempts and its one end."""

from datetime import datetime

from msgspec import Struct

from contracts.events.base import Event, EventOfJob
from contracts.ids import AccountId, JobId
from contracts.sealed import Sealed


class Artifact(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file or a text that a job made. `key` is a file's place in our storage; without one,
    `url` is where the provider keeps it.
    """

    media_type: str
    key: str | None = None
    url: str | None = None
    width: int | None = None
    height: int | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    text: Sealed | None = None  # A text lies here: what people got is sealed.


class SubmissionStarted(EventOfJob, frozen=True, kw_only=True, tag="submission.started.v1"):
    """Written before the paid POST: from here on the provider may have been asked.

    A later attempt sends the same arguments, and its event leaves them out.
    """

    attempt: int
    provider: str
    endpoint: str
    arguments: Sealed | None = None  # JSON, exactly what is sent.
    deadline_at: datetime | None = None  # For a job that waited for its run: the time starts then.


class AttemptFailed(EventOfJob, frozen=True, kw_only=True, tag="attempt.failed.v1"):
    """The attempt is over without a result, the job is not.

    `may_have_run` tells a refusal (nothing was taken) from an outcome that stayed unknown.
    """

    attempt: int
    code: str
    error: Sealed  # The provider's words: for operators.
    may_have_run: bool
    not_before: datetime


class JobCompleted(EventOfJob, frozen=True, kw_only=True, tag="job.completed.v1"):
    attempt: int
    artifacts: tuple[Artifact, ...]


class JobFailed(EventOfJob, frozen=True, kw_only=True, tag="job.failed.v1"):
    code: str
    message: Sealed  # What the user reads.
    detail: Sealed | None = None  # What the provider said: for operators.


class JobCancelled(EventOfJob, frozen=True, kw_only=True, tag="job.cancelled.v1"):
    by: str
    reason: str


class JobDeleted(EventOfJob, frozen=True, kw_only=True, tag="job.deleted.v1"):
    """Deleted by its owner: gone from lists; its artifacts are to be removed."""

    by: str


class CreditsCharged(Event, frozen=True, kw_only=True, tag="credits.charged.v1"):
    account_id: AccountId
    job_id: JobId
    amount: int


class CreditsReleased(Event, frozen=True, kw_only=True, tag="credits.released.v1"):
    account_id: AccountId
    job_id: JobId
    amount: int
