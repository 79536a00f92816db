"""Open jobs, one row each: what each waits for (domain.waiting decides that), and since when.

The rows hold ids, times and states only, so that no content can stop the projection.
"""

from typing import Any, get_args

from msgspec import Struct
from sqlalchemy import Connection, Index, bindparam, func, select

from contracts.events import (
    JobRequested,
    JobSubmitted,
    ResultReceived,
    RunStepStarted,
    SubmissionStarted,
)
from contracts.ids import AccountId, JobId
from domain.owed import duty_left
from domain.turns import Turn
from domain.waiting import (
    JobProgress,
    JobWait,
    WaitReason,
    first_wait,
    makes_reply_unneeded,
    next_wait,
)
from read_models import owed, provider_requests
from read_models.tables import Short, reader, table_of
from read_models.turns import Lanes
from read_models.unit_of_work import At, Model, Row, UnitOfWork, key_by


class WaitingJob(Struct, frozen=True, kw_only=True):
    """One row. Times are in microseconds; URLs are the provider's, once it has answered."""

    job_id: JobId
    account_id: AccountId
    wait_reason: WaitReason
    waiting_since: int
    deadline_at: int | None  # None once a result is recorded.
    requested_sequence: int
    started_sequence: int | None  # The run's commit that started its step.
    arguments_sequence: int | None  # The commit that holds what is sent to the provider.
    result_sequence: int | None
    attempt: Short
    endpoint: str | None
    request_id: str | None
    status_url: str | None
    response_url: str | None
    cancel_url: str | None
    sequence: int

    @property
    def key(self) -> str:
        return self.job_id

    @property
    def lane(self) -> str:
        return self.account_id


table = table_of(
    "waiting_jobs",
    WaitingJob,
    Index("waiting_jobs_due", "wait_reason", "waiting_since", "job_id"),
    Index("waiting_jobs_of_account", "wait_reason", "account_id", "waiting_since", "job_id"),
    Index("waiting_jobs_deadline", "deadline_at", "job_id"),
    Index("waiting_jobs_deadline_of_account", "account_id", "deadline_at", "job_id"),
)
_read = reader(WaitingJob)
_NO_URLS = dict.fromkeys(("status_url", "response_url", "cancel_url"))
_EMPTY: Row = dict.fromkeys(table.columns.keys())
_REASONS = {each.value: each for each in WaitReason}


def project(event: Any, at: At, unit: UnitOfWork) -> None:
    if isinstance(event, JobRequested):
        unit.put(table, event.job_id, _requested(event, at))
        return
    row = unit.row(table, event.job_id)
    if row is None:
        return
    wait = JobWait(
        _REASONS[row["wait_reason"]],
        row["waiting_since"],
        row["deadline_at"],
        row["attempt"],
        row["request_id"],
    )
    if (duty := duty_left(wait, event)) is not None:
        request = event if isinstance(event, JobSubmitted) else None
        owed.put(duty, row, request, at, unit)
    if makes_reply_unneeded(wait, event):
        lost = {"job_id": row["job_id"], "attempt": row["attempt"], "at": at.micros}
        unit.insert(provider_requests.lost_attempts, lost)
    after = next_wait(wait, event, at.micros)
    if after is None:
        unit.put(table, event.job_id, None)
        return
    row["sequence"] = at.sequence
    if after is not wait:
        _store(after, row)
        _note_places(event, row, at)


def _store(wait: JobWait, row: Row) -> None:
    if wait.request_id != row["request_id"]:
        row |= _NO_URLS  # Those were of the request before.
    row["wait_reason"] = wait.reason.value
    row["waiting_since"] = wait.since
    row["deadline_at"] = wait.deadline_at
    row["attempt"] = wait.attempt
    row["request_id"] = wait.request_id


def _note_places(event: Any, row: Row, at: At) -> None:
    """Note where the job's next steps find what they need: in the log, or at the provider."""
    kind = type(event)
    if kind is SubmissionStarted:
        row["endpoint"] = event.endpoint
        if event.arguments is not None:
            row["arguments_sequence"] = at.sequence
    elif kind is JobSubmitted:
        row["status_url"] = event.status_url
        row["response_url"] = event.response_url
        row["cancel_url"] = event.cancel_url
    elif kind is ResultReceived:
        row["result_sequence"] = at.sequence
    elif kind is RunStepStarted:
        row["started_sequence"] = at.sequence


def _requested(event: JobRequested, at: At) -> Row:
    row = {
        **_EMPTY,
        "job_id": event.job_id,
        "account_id": event.account_id,
        "requested_sequence": at.sequence,
        "sequence": at.sequence,
    }
    _store(first_wait(event, at.micros), row)
    return row


MODEL = Model(table, frozenset({JobRequested, *get_args(JobProgress)}), key_by("job_id"), project)

_LANES = Lanes(
    table, key="job_id", lane="account_id", due="waiting_since", where="wait_reason = :wait_reason"
)
_LATE = Lanes(table, key="job_id", lane="account_id", due="deadline_at", where="1 = 1")
_UNANSWERED = (
    select(table)
    .where(
        table.c.wait_reason == WaitReason.OUTCOME.value,
        table.c.endpoint == bindparam("endpoint"),
        table.c.waiting_since >= bindparam("since"),
    )
    .limit(bindparam("limit"))
)
_BY_ID = select(table).where(table.c.job_id == bindparam("job_id"))


def due(connection: Connection, turn: Turn, wait_reason: WaitReason) -> list[WaitingJob]:
    """Return who has waited since `turn.until` or longer, in turn by account."""
    return [_read(row) for row in _LANES.take(connection, turn, wait_reason=wait_reason.value)]


def past_deadline(connection: Connection, turn: Turn) -> list[WaitingJob]:
    """Return the open jobs without a recorded result whose deadline has passed, in turn."""
    return [_read(row) for row in _LATE.take(connection, turn)]


def unanswered(connection: Connection, endpoint: str, since: int, limit: int) -> list[WaitingJob]:
    """Return the open jobs whose last POST to this endpoint was not answered yet."""
    wanted = {"endpoint": endpoint, "since": since, "limit": limit}
    return [_read(row) for row in connection.execute(_UNANSWERED, wanted)]


_AT_PROVIDER = select(table.c.job_id).where(
    table.c.wait_reason.in_([WaitReason.OUTCOME.value, WaitReason.RESULT.value])
)


def at_provider(connection: Connection) -> list[JobId]:
    """Return the open jobs that the provider has, or may have."""
    return [JobId(job) for job in connection.execute(_AT_PROVIDER).scalars()]


_OPEN = select(func.count()).select_from(table)


def count_open(connection: Connection) -> int:
    """Return how many jobs have not ended."""
    return int(connection.execute(_OPEN).scalar_one())


def find(connection: Connection, job: JobId) -> WaitingJob | None:
    found = connection.execute(_BY_ID, {"job_id": job}).one_or_none()
    return _read(found) if found is not None else None
