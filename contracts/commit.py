"""The commit: what one decision wrote, or what one piece of evidence said, in one message."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from contracts import events as e
from contracts.ids import CommitId
from contracts.job_state import JobState
from contracts.run_state import RunState
from contracts.subjects import Subject


class Headline(StrEnum):
    """The closed list of what a commit can be about; it stands in the message's header.

    A subscriber tells from it, before decoding, whether it cares.
    """

    RUN_REQUESTED = "run_requested"
    WORK_REQUESTED = "work_requested"
    ACCOUNT_CHANGED = "account_changed"
    SUBMISSION_STARTED = "submission_started"
    ATTEMPT_FAILED = "attempt_failed"
    JOB_ENDED = "job_ended"
    JOB_HIDDEN = "job_hidden"
    SUBMITTED = "submitted"
    RESULT = "result"
    CANCELLATION = "cancellation"
    REMOVAL = "removal"
    RUN_CHANGED = "run_changed"
    NOTIFICATION = "notification"
    OPERATOR_ACTED = "operator_acted"


# In order of precedence: a commit that answers several requests is about the first it matches.
HEADLINES: dict[type[e.Event], Headline] = {
    e.RunRequested: Headline.RUN_REQUESTED,
    e.JobRequested: Headline.WORK_REQUESTED,
    e.CreditsReserved: Headline.WORK_REQUESTED,
    e.AccountOpened: Headline.ACCOUNT_CHANGED,
    e.CreditsGranted: Headline.ACCOUNT_CHANGED,
    e.CreditsRevoked: Headline.ACCOUNT_CHANGED,
    e.AccessTokenIssued: Headline.ACCOUNT_CHANGED,
    e.AccessTokenRevoked: Headline.ACCOUNT_CHANGED,
    e.EndpointRegistered: Headline.ACCOUNT_CHANGED,
    e.EndpointSecretRotated: Headline.ACCOUNT_CHANGED,
    e.EndpointRemoved: Headline.ACCOUNT_CHANGED,
    e.NotificationRequested: Headline.ACCOUNT_CHANGED,
    e.SubmissionStarted: Headline.SUBMISSION_STARTED,
    e.AttemptFailed: Headline.ATTEMPT_FAILED,
    e.JobCompleted: Headline.JOB_ENDED,
    e.JobFailed: Headline.JOB_ENDED,
    e.JobCancelled: Headline.JOB_ENDED,
    e.CreditsCharged: Headline.JOB_ENDED,
    e.CreditsReleased: Headline.JOB_ENDED,
    e.JobHidden: Headline.JOB_HIDDEN,
    e.JobSubmitted: Headline.SUBMITTED,
    e.ResultReceived: Headline.RESULT,
    e.CancellationAnswered: Headline.CANCELLATION,
    e.ArtifactsRemoved: Headline.REMOVAL,
    e.RunStepStarted: Headline.RUN_CHANGED,
    e.RunStepSettled: Headline.RUN_CHANGED,
    e.RunCompleted: Headline.RUN_CHANGED,
    e.RunFailed: Headline.RUN_CHANGED,
    e.RunCancelled: Headline.RUN_CHANGED,
    e.NotificationSent: Headline.NOTIFICATION,
    e.NotificationFailed: Headline.NOTIFICATION,
    e.OperatorActed: Headline.OPERATOR_ACTED,
}
_PRECEDENCE = {headline: rank for rank, headline in enumerate(Headline)}


def headline_of(events: Iterable[e.Event]) -> Headline:
    return min((HEADLINES[type(event)] for event in events), key=_PRECEDENCE.__getitem__)


class Request(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request that a commit answers. `events` are indices into the commit's events."""

    actor: str
    correlation_id: str
    events: tuple[int, ...]
    idempotency_key: str | None = None
    fingerprint: str | None = (
        None  # Of the request's content: the same key with another is refused.
    )
    trace_id: str | None = None  # The W3C trace of the request, if it came with one.


class Commit(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message of the log. `at` is the writer's clock; only the sequence orders."""

    id: CommitId
    at: datetime
    events: tuple[e.AnyEvent, ...]
    requests: tuple[Request, ...] = ()
    causation_id: CommitId | None = None
    job: JobState | None = None  # On `log.job.*`: the fold of the history up to here.
    run: RunState | None = None  # On `log.run.*`: the same of a run.

    @property
    def headline(self) -> Headline:
        return headline_of(self.events)


class Recorded(Struct, frozen=True):
    """A commit with its place in the log."""

    sequence: int
    subject: Subject
    commit: Commit


class Mark(Struct, frozen=True):
    """A place in the log that is known by more than its number: two logs may both have a commit
    1000, and only one of them the commit with this id. `commit_id` is empty at sequence 0.
    """

    epoch: str
    sequence: int
    commit_id: str = ""
