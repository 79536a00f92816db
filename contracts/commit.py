"""The commit: what one decision wrote, or what one piece of evidence said, in one message."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import TypeVar, get_args

from msgspec import Struct

from contracts import events as e
from contracts.ids import CommitId
from contracts.job_state import JobState
from contracts.run_state import RunState
from contracts.subjects import Subject

COMMIT_BYTES_MAX = 256 * 1024  # Below the 1 MB of one message: what is larger goes to storage.


class CommitKind(StrEnum):
    """The closed list of what a commit can be about; it stands in the message's header.

    A subscriber reads there, before it decodes a commit, whether the commit concerns it.
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


COMMIT_KINDS: dict[type[e.Event], CommitKind] = {
    **dict.fromkeys(get_args(e.AccountEvent), CommitKind.ACCOUNT_CHANGED),
    **dict.fromkeys(get_args(e.RunEvent), CommitKind.RUN_CHANGED),
    **dict.fromkeys((*e.JOB_ENDS, e.CreditsCharged, e.CreditsReleased), CommitKind.JOB_ENDED),
    e.RunRequested: CommitKind.RUN_REQUESTED,
    e.JobRequested: CommitKind.WORK_REQUESTED,
    e.CreditsReserved: CommitKind.WORK_REQUESTED,
    e.SubmissionStarted: CommitKind.SUBMISSION_STARTED,
    e.AttemptFailed: CommitKind.ATTEMPT_FAILED,
    e.JobDeleted: CommitKind.JOB_DELETED,
    e.JobSubmitted: CommitKind.SUBMITTED,
    e.ResultReceived: CommitKind.RESULT,
    e.CancellationAnswered: CommitKind.CANCELLATION,
    e.ArtifactsRemoved: CommitKind.REMOVAL,
    e.NotificationSent: CommitKind.NOTIFICATION,
    e.NotificationFailed: CommitKind.NOTIFICATION,
    e.OperatorActed: CommitKind.OPERATOR_ACTED,
}
# A commit that answers several requests is about the first kind that it matches.
_PRECEDENCE = {commit_kind: rank for rank, commit_kind in enumerate(CommitKind)}


def commit_kind_of(events: Iterable[e.Event]) -> CommitKind:
    return min((COMMIT_KINDS[type(event)] for event in events), key=_PRECEDENCE.__getitem__)


E = TypeVar("E", bound=e.Event)


class CommitRequest(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request that a commit answers. `events` are indices into the commit's events."""

    actor: str
    correlation_id: str
    events: tuple[int, ...]
    idempotency_key: str | None = None
    # Of the request's content: the same key with another content is refused.
    fingerprint: str | None = None
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

    def find(self, event_type: type[E], **fields: str) -> E | None:
        """Return the first event of the type whose fields have these values, as `job_id=…`."""
        for event in self.events:
            if isinstance(event, event_type) and all(
                getattr(event, name) == value for name, value in fields.items()
            ):
                return event
        return None

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
