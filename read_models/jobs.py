"""Jobs as their owners see them."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Index, bindparam, select

from contracts.events import (
    JOB_ENDS,
    Artifact,
    AttemptFailed,
    Event,
    JobCancelled,
    JobCompleted,
    JobDeleted,
    JobFailed,
    JobRequested,
    JobSubmitted,
    SubmissionStarted,
)
from contracts.ids import AccountId, JobId
from contracts.sealed import Sealed
from domain.statuses import JobStatus
from read_models.tables import Short, partial_index, reader, table_of
from read_models.unit_of_work import At, Model, Row, UnitOfWork, key_by

RANK = 0  # This table's number among the streamed tables: see At.change.
RANK_RETRIED = 3
EVENTS_OF_COMMIT_MAX = 100_000  # More than fit into the bytes of a commit.
_encode = msgspec.json.Encoder().encode


class Job(Struct, frozen=True, kw_only=True):
    """One row. `sequence` is its last change's place in the log; sealed values stay sealed."""

    job_id: JobId
    account_id: AccountId
    kind: str
    status: JobStatus
    input: Sealed
    price_credits: Short
    provider: str | None
    request_id: str | None
    attempt: Short
    artifacts: tuple[Artifact, ...] = ()
    error_code: str | None
    error_message: Sealed | None
    retry_of: str | None
    retried_as: str | None  # The newest retry of it.
    duration_class: str
    run_id: str | None
    step: Short | None
    exclusive_key: str | None
    started_at: int | None
    expected_p50: int | None  # Of its duration, as of its start; microseconds.
    expected_p90: int | None
    deleted: bool
    requested_sequence: int
    place: int  # In lists: of its JobRequested in the log.
    created_at: int
    updated_at: int
    ended_at: int | None
    sequence: int
    change: Short  # Which change of that commit, see At.change.


table = table_of("jobs", Job, Index("jobs_changed", "account_id", "sequence", "change"))
# Lists walk along one of these for every status that they show: see read_models/job_lists.py.
_shown, _of = table.c.deleted.is_(False), table.c
partial_index("jobs_listed", _shown, _of.account_id, _of.status, _of.place)
partial_index("jobs_listed_by_kind", _shown, _of.account_id, _of.kind, _of.status, _of.place)
job_of = reader(Job)


def project(event: Event, at: At, unit: UnitOfWork) -> None:
    if isinstance(event, JobRequested):
        unit.put(table, event.job_id, _requested(event, at))
        return
    row = unit.row(table, getattr(event, "job_id", ""))
    if row is not None:
        row |= _CHANGES[type(event)](event, row)
        if row["started_at"] is None and type(event) is SubmissionStarted:
            row["started_at"] = at.micros
        if type(event) in JOB_ENDS:
            row["ended_at"] = at.micros
        row |= _changed(at, RANK, row)


def _changed(at: At, rank: int, row: Row) -> Row:
    updated_at = max(at.micros, row["created_at"])
    return {"updated_at": updated_at, "sequence": at.sequence, "change": at.change(rank)}


def project_retry(event: JobRequested, at: At, unit: UnitOfWork) -> None:
    """A retry changes the retried job too, so that streams of that job show it."""
    row = unit.row(table, str(event.retry_of))
    if row is not None:
        row |= {"retried_as": event.job_id, **_changed(at, RANK_RETRIED, row)}


def _submitted(event: JobSubmitted, row: Row) -> Row:
    """The newest attempt's id is shown; evidence about an older one changes nothing."""
    if JobStatus(row["status"]).is_end or event.attempt < row["attempt"]:
        return {"request_id": row["request_id"] or event.request_id}
    return {"request_id": event.request_id, "status": JobStatus.PROCESSING.value}


# What each event sets, given the row before it.
_CHANGES: dict[type[Event], Callable[[Any, Row], Row]] = {
    SubmissionStarted: lambda event, _: {"attempt": event.attempt, "provider": event.provider},
    JobSubmitted: _submitted,
    AttemptFailed: lambda _, __: {"status": JobStatus.PENDING.value, "request_id": None},
    JobCompleted: lambda event, _: {
        "status": JobStatus.COMPLETED.value,
        "artifacts": _encode(event.artifacts),
    },
    JobFailed: lambda event, _: {
        "status": JobStatus.FAILED.value,
        "error_code": event.code,
        "error_message": _encode(event.message),
    },
    JobCancelled: lambda _, __: {"status": JobStatus.CANCELLED.value, "error_code": "cancelled"},
    JobDeleted: lambda _, __: {"deleted": True},
}


def _requested(event: JobRequested, at: At) -> Row:
    return {
        "job_id": event.job_id,
        "account_id": event.account_id,
        "kind": event.kind,
        "status": JobStatus.PENDING.value,
        "input": _encode(event.input),
        "price_credits": event.price_credits,
        "provider": None,
        "request_id": None,
        "attempt": 0,
        "artifacts": None,
        "error_code": None,
        "error_message": None,
        "retry_of": event.retry_of,
        "retried_as": None,
        "duration_class": event.duration_class,
        "run_id": event.run_id,
        "step": event.step,
        "exclusive_key": event.exclusive_key,
        "started_at": None,
        "expected_p50": None,
        "expected_p90": None,
        "deleted": False,
        "requested_sequence": at.sequence,
        "place": at.sequence * EVENTS_OF_COMMIT_MAX + at.index,
        "created_at": at.micros,
        "updated_at": at.micros,
        "ended_at": None,
        "sequence": at.sequence,
        "change": at.change(RANK),
    }


MODEL = Model(table, frozenset({JobRequested, *_CHANGES}), key_by("job_id"), project)
RETRIED = Model(table, frozenset({JobRequested}), lambda event, _: event.retry_of, project_retry)

_BY_ID = select(table).where(table.c.job_id == bindparam("job_id"))
_BY_IDS = select(table).where(table.c.job_id.in_(bindparam("job_ids", expanding=True)))


def find(connection: Connection, job: JobId) -> Job | None:
    """Return the row, deleted or not."""
    found = connection.execute(_BY_ID, {"job_id": job}).one_or_none()
    return job_of(found) if found is not None else None


def find_all(connection: Connection, jobs: list[JobId]) -> dict[JobId, Job]:
    return {found.job_id: job_of(found) for found in connection.execute(_BY_IDS, {"job_ids": jobs})}


_CHANGED = (
    select(table)
    .where(table.c.account_id == bindparam("account_id"), table.c.sequence > bindparam("after"))
    .order_by(table.c.sequence, table.c.change)
    .limit(bindparam("limit"))
)


def changed_since(connection: Connection, account: AccountId, after: int, limit: int) -> list[Job]:
    """Return the account's jobs that changed after the sequence `after`, oldest change first."""
    wanted = {"account_id": account, "after": after, "limit": limit}
    return [job_of(found) for found in connection.execute(_CHANGED, wanted)]
