"""Jobs as their owners see them."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    and_,
    bindparam,
    or_,
    select,
)

from contracts.events import (
    Artifact,
    AttemptFailed,
    Event,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobHidden,
    JobRequested,
    JobSubmitted,
    SubmissionStarted,
)
from contracts.ids import AccountId, JobId
from contracts.sealed import Sealed
from domain.job_status import JobStatus
from read_models.unit_of_work import (
    METADATA,
    At,
    Micros,
    Model,
    Row,
    UnitOfWork,
    key_by,
)

table = Table(
    "jobs",
    METADATA,
    Column("job_id", Text, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("input", LargeBinary, nullable=False),
    Column("price_credits", Integer, nullable=False),
    Column("provider", Text),
    Column("request_id", Text),
    Column("attempt", Integer, nullable=False),
    Column("artifacts", LargeBinary),
    Column("error_code", Text),
    Column("error_message", LargeBinary),
    Column("retry_of", Text),
    Column("retried_as", Text),  # The newest retry of it.
    Column("option", Text, nullable=False),
    Column("run_id", Text),
    Column("step", Integer),
    Column("resource", Text),
    Column("started_at", Micros),
    Column("expected_p50", BigInteger),  # Of its duration, as of its start; microseconds.
    Column("expected_p90", BigInteger),
    Column("hidden", Boolean, nullable=False),
    Column("requested_in", BigInteger, nullable=False),
    Column("created_at", Micros, nullable=False),
    Column("updated_at", Micros, nullable=False),
    Column("ended_at", Micros),
    Column("sequence", BigInteger, nullable=False),
    Column("change", Integer, nullable=False),  # Which change of that commit, see At.change.
    Index("jobs_of_account", "account_id", "requested_in", "job_id"),
    Index("jobs_changed", "account_id", "sequence"),
    Index("jobs_by_retried", "retry_of"),
)

RANK = 0  # Among the streamed tables.
RANK_RETRIED = 3
_encode = msgspec.json.Encoder().encode
_sealed = msgspec.json.Decoder(Sealed)
_artifacts = msgspec.json.Decoder(tuple[Artifact, ...])


class Job(Struct, frozen=True, kw_only=True):
    """One row. `sequence` is its last change's place in the log; sealed values stay sealed."""

    job_id: JobId
    account_id: AccountId
    kind: str
    status: JobStatus
    input: Sealed
    price_credits: int
    provider: str | None
    request_id: str | None
    attempt: int
    artifacts: tuple[Artifact, ...]
    error_code: str | None
    error_message: Sealed | None
    retry_of: str | None
    retried_as: str | None
    option: str
    run_id: str | None
    step: int | None
    resource: str | None
    started_at: int | None
    expected_p50: int | None
    expected_p90: int | None
    hidden: bool
    requested_in: int
    created_at: int
    updated_at: int
    ended_at: int | None
    sequence: int
    change: int


def project(event: Event, at: At, unit: UnitOfWork) -> None:
    if isinstance(event, JobRequested):
        unit.put(table, event.job_id, _requested(event, at))
        return
    row = unit.row(table, getattr(event, "job_id", ""))
    if row is not None:
        row |= _CHANGES[type(event)](event, row)
        if row["started_at"] is None and type(event) is SubmissionStarted:
            row["started_at"] = at.micros
        if type(event) in _ENDS:
            row["ended_at"] = at.micros
        row |= _changed(at, RANK, row)


def _changed(at: At, rank: int, row: Row) -> Row:
    updated_at = max(at.micros, row["created_at"])
    return {"updated_at": updated_at, "sequence": at.sequence, "change": at.change(rank)}


def project_retry(event: JobRequested, at: At, unit: UnitOfWork) -> None:
    """A retry is a change of the retried job too: who follows it hears of it."""
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
    JobHidden: lambda _, __: {"hidden": True},
}
_ENDS = {JobCompleted, JobFailed, JobCancelled}


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
        "option": event.option,
        "run_id": event.run_id,
        "step": event.step,
        "resource": event.resource,
        "started_at": None,
        "expected_p50": None,
        "expected_p90": None,
        "hidden": False,
        "requested_in": at.sequence,
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
    """Return the row, hidden or not."""
    found = connection.execute(_BY_ID, {"job_id": job}).one_or_none()
    return _job(found) if found is not None else None


def find_all(connection: Connection, jobs: list[JobId]) -> dict[JobId, Job]:
    return {found.job_id: _job(found) for found in connection.execute(_BY_IDS, {"job_ids": jobs})}


_CHANGED = (
    select(table)
    .where(table.c.account_id == bindparam("account_id"), table.c.sequence > bindparam("after"))
    .order_by(table.c.sequence, table.c.change)
    .limit(bindparam("limit"))
)
_OPEN = (
    select(table)
    .where(
        table.c.account_id == bindparam("account_id"),
        table.c.status.in_([JobStatus.PENDING.value, JobStatus.PROCESSING.value]),
    )
    .order_by(table.c.requested_in, table.c.job_id)
    .limit(bindparam("limit"))
)


def changed_since(connection: Connection, account: AccountId, after: int, limit: int) -> list[Job]:
    """Return the account's jobs that changed after the sequence `after`, oldest change first."""
    wanted = {"account_id": account, "after": after, "limit": limit}
    return [_job(found) for found in connection.execute(_CHANGED, wanted)]


def open_ones(connection: Connection, account: AccountId, limit: int) -> list[Job]:
    """Return the account's jobs that have not ended, oldest first."""
    found = connection.execute(_OPEN, {"account_id": account, "limit": limit})
    return [_job(row) for row in found]


class Filter(Struct, frozen=True, kw_only=True):
    """Which of an account's jobs: `before` is the `(requested_in, job_id)` of the last one seen."""

    account_id: AccountId | None
    kind: str | None = None
    statuses: frozenset[str] = frozenset()
    before: tuple[int, str] | None = None
    limit: int = 50


def newest(connection: Connection, wanted: Filter) -> list[Job]:
    """Return what is not hidden, newest first."""
    query = select(table).where(table.c.hidden.is_(False))
    if wanted.account_id is not None:
        query = query.where(table.c.account_id == wanted.account_id)
    if wanted.kind is not None:
        query = query.where(table.c.kind == wanted.kind)
    if wanted.statuses:
        query = query.where(table.c.status.in_(sorted(wanted.statuses)))
    if wanted.before is not None:
        sequence, job = wanted.before
        same = and_(table.c.requested_in == sequence, table.c.job_id < job)
        query = query.where(or_(table.c.requested_in < sequence, same))
    query = query.order_by(table.c.requested_in.desc(), table.c.job_id.desc())
    return [_job(found) for found in connection.execute(query.limit(wanted.limit))]


def _job(found: Any) -> Job:
    fields = dict(found._mapping)  # noqa: SLF001 - SQLAlchemy's public way to a dict.
    fields["status"] = JobStatus(found.status)
    fields["input"] = _sealed.decode(found.input)
    fields["artifacts"] = _artifacts.decode(found.artifacts) if found.artifacts else ()
    message = found.error_message
    fields["error_message"] = _sealed.decode(message) if message else None
    return Job(**fields)
