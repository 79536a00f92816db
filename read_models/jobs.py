"""Jobs as their owners see them."""

from collections.abc import Callable, Sequence
from operator import attrgetter
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
    ResultReceived,
    SubmissionStarted,
)
from contracts.ids import AccountId, JobId
from contracts.sealed import Sealed
from domain.job_status import JobStatus
from read_models.unit_of_work import KEYS_A_SELECT, METADATA, At, Micros, Model, Row, UnitOfWork

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
    Column("hidden", Boolean, nullable=False),
    Column("requested_in", BigInteger, nullable=False),
    Column("created_at", Micros, nullable=False),
    Column("updated_at", Micros, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Index("jobs_of_account", "account_id", "requested_in", "job_id"),
    Index("jobs_by_retried", "retry_of"),
    Index("jobs_by_request", "request_id"),
)

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
    hidden: bool
    requested_in: int
    created_at: int
    updated_at: int
    sequence: int


def project(event: Event, at: At, unit: UnitOfWork) -> None:
    if isinstance(event, JobRequested):
        unit.put(table, event.job_id, _requested(event, at))
        return
    row = unit.row(table, getattr(event, "job_id", ""))
    if row is not None:
        row |= _CHANGES[type(event)](event, row)
        row |= {"updated_at": max(at.micros, row["created_at"]), "sequence": at.sequence}


def _submitted(event: JobSubmitted, row: Row) -> Row:
    """The newest attempt's id is shown; evidence about an older one changes nothing."""
    if JobStatus(row["status"]).is_end or event.attempt < row["attempt"]:
        return {"request_id": row["request_id"] or event.request_id}
    return {"request_id": event.request_id, "status": JobStatus.PROCESSING.value}


def _received(event: ResultReceived, row: Row) -> Row:
    """A result tells the request's id too: it may be all that is ever heard of the reply."""
    if JobStatus(row["status"]).is_end or event.attempt < row["attempt"] or not event.request_id:
        return {"request_id": row["request_id"] or event.request_id or None}
    return {"request_id": event.request_id, "status": JobStatus.PROCESSING.value}


# What each event sets, given the row before it.
_CHANGES: dict[type[Event], Callable[[Any, Row], Row]] = {
    SubmissionStarted: lambda event, _: {"attempt": event.attempt, "provider": event.provider},
    JobSubmitted: _submitted,
    ResultReceived: _received,
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
        "hidden": False,
        "requested_in": at.sequence,
        "created_at": at.micros,
        "updated_at": at.micros,
        "sequence": at.sequence,
    }


MODEL = Model(table, frozenset({JobRequested, *_CHANGES}), attrgetter("job_id"), project)

_BY_ID = select(table).where(table.c.job_id == bindparam("job_id"))
_BY_IDS = select(table).where(table.c.job_id.in_(bindparam("job_ids", expanding=True)))


def find(connection: Connection, job: JobId) -> Job | None:
    """Return the row, hidden or not."""
    found = connection.execute(_BY_ID, {"job_id": job}).one_or_none()
    return _job(found) if found is not None else None


def find_all(connection: Connection, jobs: list[JobId]) -> dict[JobId, Job]:
    return {found.job_id: _job(found) for found in connection.execute(_BY_IDS, {"job_ids": jobs})}


_RETRIES = (
    select(table.c.retry_of, table.c.job_id)
    .where(table.c.retry_of.in_(bindparam("jobs", expanding=True)))
    .order_by(table.c.requested_in)
)
_STANDING = _RETRIES.where(table.c.status.not_in([JobStatus.FAILED, JobStatus.CANCELLED]))


def standing_retries(connection: Connection, jobs: Sequence[JobId]) -> dict[JobId, JobId]:
    """Return which of these jobs have a retry that is open or was completed."""
    found = connection.execute(_STANDING, {"jobs": list(jobs)})
    return {JobId(row.retry_of): JobId(row.job_id) for row in found}


def newest_retry(connection: Connection, job: JobId) -> JobId | None:
    rows = connection.execute(_RETRIES, {"jobs": [job]}).all()
    return JobId(rows[-1].job_id) if rows else None


_OWNED = select(table.c.request_id).where(
    table.c.request_id.in_(bindparam("request_ids", expanding=True))
)


def owned_requests(connection: Connection, request_ids: Sequence[str]) -> set[str]:
    """Return which of the provider's requests belong to a job."""
    found: set[str] = set()
    for start in range(0, len(request_ids), KEYS_A_SELECT):
        chunk = list(request_ids[start : start + KEYS_A_SELECT])
        found.update(connection.execute(_OWNED, {"request_ids": chunk}).scalars())
    return found


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
