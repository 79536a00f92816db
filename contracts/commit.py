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

COMMIT_BYTES_MAX = 256 * 1024  # Below the 1 MB of one message: what is larger goes to storage.


class CommitKind(StrEnum):
    """The closed list of what a commit can be about; it stands in the message's header.

    A subscriber tells from it, before decoding, whether it cares.
    """

    RUN_REQUESTED = "run_requested"
    WORK_REQUESTED = "work_requested"
    ACCOUNT_CHANGED = "account_changed"
    SUBMISSION_STARTED = "submission_started"
    ATTEMPT_FAILED = "attempt_failed"
    JOB_ENDED = "job_ended"
    JOB_DELETED = "job_deleted"
    SUBMITTED = "submitted"
    RESULT = "result"
    CANCELLATION = "cancellation"
    REMOVAL = "removal"
    RUN_CHANGED = "run_changed"
    NOTIFICATION = "notification"
    OPERATOR_ACTED = "operator_acted"


# In order of precedence: a commit that answers several requests is about the first it matches.
COMMIT_KINDS: dict[type[e.Event], CommitKind] = {
    e.RunRequested: CommitKind.RUN_REQUESTED,
    e.JobRequested: CommitKind.WORK_REQUESTED,
    e.CreditsReserved: CommitKind.WORK_REQUESTED,
    e.AccountOpened: CommitKind.ACCOUNT_CHANGED,
    e.CreditsGranted: CommitKind.ACCOUNT_CHANGED,
    e.CreditsRevoked: CommitKind.ACCOUNT_CHANGED,
    e.AccessTokenIssued: CommitKind.ACCOUNT_CHANGED,
    e.AccessTokenRevoked: CommitKind.ACCOUNT_CHANGED,
    e.EndpointRegistered: CommitKind.ACCOUNT_CHANGED,
    e.EndpointSecretRotated: CommitKind.ACCOUNT_CHANGED,
    e.EndpointRemoved: CommitKind.ACCOUNT_CHANGED,
    e.NotificationRequested: CommitKind.ACCOUNT_CHANGED,
    e.SubmissionStarted: CommitKind.SUBMISSION_STARTED,
    e.AttemptFailed: CommitKind.ATTEMPT_FAILED,
    e.JobCompleted: CommitKind.JOB_ENDED,
    e.JobFailed: CommitKind.JOB_ENDED,
    e.JobCancelled: CommitKind.JOB_ENDED,
    e.CreditsCharged: CommitKind.JOB_ENDED,
    e.CreditsReleased: CommitKind.JOB_ENDED,
    e.JobDeleted: CommitKind.JOB_DELETED,
    e.JobSubmitted: CommitKind.SUBMITTED,
    e.ResultReceived: CommitKind.RESULT,
    e.CancellationAnswered: CommitKind.CANCELLATION,
    e.ArtifactsRemoved: CommitKind.REMOVAL,
    e.RunStepStarted: CommitKind.RUN_CHANGED,
    e.RunStepSettled: CommitKind.RUN_CHANGED,
    e.RunCompleted: CommitKind.RUN_CHANGED,
    e.RunFailed: CommitKind.RUN_CHANGED,
    e.RunCancelled: CommitKind.RUN_CHANGED,
    e.NotificationSent: CommitKind.NOTIFICATION,
    e.NotificationFailed: CommitKind.NOTIFICATION,
    e.OperatorActed: CommitKind.OPERATOR_ACTED,
}
_PRECEDENCE = {commit_kind: rank for rank, commit_kind in enumerate(CommitKind)}


def commit_kind_of(events: Iterable[e.Event]) -> CommitKind:
    return min((COMMIT_KINDS[type(event)] for event in events), key=_PRECEDENCE.__getitem__)


class CommitRequest(Struct, frozen=True, kw_only=True, omit_defaults=True):
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
    requests: tuple[CommitRequest, ...] = ()
    causation_id: CommitId | None = None
    job: JobState | None = None  # On `log.job.*`: the fold of the history up to here.
    run: RunState | None = None  # On `log.run.*`: the same of a run.

    @property
    def kind(self) -> CommitKind:
        return commit_kind_of(self.events)

    def request_of(self, index: int) -> CommitRequest | None:
        """Return the request that the event with this index answers, if it answers one."""
        for request in self.requests:
            if index in request.events:
                return request
        return None

    def actor_of(self, index: int) -> str:
        """Return who asked for the event with this index: `darkroom` where nobody did."""
        request = self.request_of(index)
        return request.actor if request is not None else "darkroom"


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
