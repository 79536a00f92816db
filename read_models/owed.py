"""What ended jobs still owe the world: a cancellation at the provider, a removal of files.

Each is a row of its own, so that none can overwrite another.
"""

from enum import StrEnum
from typing import Any

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    Table,
    Text,
    bindparam,
    select,
)

from contracts.events import (
    ArtifactsRemoved,
    CancellationAnswered,
    Event,
    JobDeleted,
    JobSubmitted,
)
from contracts.ids import AccountId, JobId
from domain.job_status import JobStatus
from domain.turns import Turn
from read_models import jobs
from read_models.turns import Lanes
from read_models.unit_of_work import METADATA, At, Micros, Model, Row, UnitOfWork


class Duty(StrEnum):
    """What is owed. Beside each: what `owed_from` is, and whose sweep acts on it."""

    REPLY = "reply"  # When the job ended before its POST was answered. Dispatcher.
    CANCELLATION = "cancellation"  # When both the end and the request were known. Dispatcher.
    REMOVAL = "removal"  # When its owner deleted it. Ingestor.
    ANSWERED = "answered"  # A cancellation that is done: heard of again, the request owes nothing.


table = Table(
    "owed",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("duty", Text, nullable=False),
    Column("job_id", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("owed_from", Micros, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("endpoint", Text),
    Column("request_id", Text),
    Column("cancel_url", Text),
    Column("sequence", BigInteger, nullable=False),
    Index("owed_due", "duty", "owed_from", "key"),
    Index("owed_of_account", "duty", "account_id", "owed_from", "key"),
)


class Owed(Struct, frozen=True, kw_only=True):
    """One row. `request_id` and `cancel_url` are the provider's, once it has answered."""

    key: str
    duty: Duty
    job_id: JobId
    account_id: AccountId
    owed_from: int
    attempt: int
    endpoint: str | None
    request_id: str | None
    cancel_url: str | None
    sequence: int

    @property
    def lane(self) -> str:
        return self.account_id


def cancel(waiting: Row, at: At, unit: UnitOfWork) -> None:
    """A job ended while the provider had it, or may have had it."""
    duty = Duty.CANCELLATION if waiting["request_id"] is not None else Duty.REPLY
    row = _row(_cancellation(waiting["job_id"], waiting["attempt"]), duty, waiting, at)
    unit.put(table, row["key"], row | {"endpoint": waiting["endpoint"]})


def project(event: Any, at: At, unit: UnitOfWork) -> None:
    key = str(_key(event, at))
    match event:
        case JobDeleted():
            about = {"job_id": event.job_id, "account_id": event.account_id, "attempt": 0}
            unit.put(table, key, _row(key, Duty.REMOVAL, about, at))
        case JobSubmitted():
            _submitted(event, at, unit)
        case CancellationAnswered() | ArtifactsRemoved():
            row = unit.row(table, key)
            if row is not None and _is_about(event, row):
                is_kept = row["duty"] == Duty.CANCELLATION
                done = {"duty": Duty.ANSWERED.value, "sequence": at.sequence}
                unit.put(table, key, row | done if is_kept else None)


def _is_about(event: CancellationAnswered | ArtifactsRemoved, row: Row) -> bool:
    """Tell whether it settles what is owed now: the answer may be to another request."""
    if isinstance(event, ArtifactsRemoved):
        return True
    return bool((event.request_id or None) == row["request_id"])


def cancel_request(event: JobSubmitted, endpoint: str | None, at: At, unit: UnitOfWork) -> None:
    """The provider has a request that nobody waits for."""
    key = _cancellation(event.job_id, event.attempt)
    known = unit.row(table, key)
    done = (Duty.ANSWERED, event.request_id)
    if known is not None and (known["duty"], known["request_id"]) == done:
        return
    about = {
        "job_id": event.job_id,
        "account_id": event.account_id,
        "attempt": event.attempt,
        "request_id": event.request_id,
        "cancel_url": event.cancel_url,
    }
    row = _row(key, Duty.CANCELLATION, about, at)
    unit.put(table, key, row | {"endpoint": known["endpoint"] if known is not None else endpoint})


def _submitted(event: JobSubmitted, at: At, unit: UnitOfWork) -> None:
    """A request that the provider has of a job that has ended without success is to be cancelled,
    however late it is heard of.
    """
    job = unit.peek(jobs.table, event.job_id)
    status = JobStatus(job["status"]) if job is not None else None
    if status in {JobStatus.FAILED, JobStatus.CANCELLED}:
        cancel_request(event, None, at, unit)


def _row(key: str, duty: Duty, about: Row, at: At) -> Row:
    return {
        "key": key,
        "duty": duty.value,
        "job_id": about["job_id"],
        "account_id": about["account_id"],
        "owed_from": at.micros,
        "attempt": about["attempt"],
        "endpoint": None,
        "request_id": about.get("request_id"),
        "cancel_url": about.get("cancel_url"),
        "sequence": at.sequence,
    }


def _cancellation(job: str, attempt: int) -> str:
    return f"cancellation.{job}.{attempt}"


def _key(event: Any, _at: At) -> str | None:
    if isinstance(event, JobDeleted | ArtifactsRemoved):
        return f"removal.{event.job_id}"
    return _cancellation(event.job_id, event.attempt)


_EVENTS: frozenset[type[Event]] = frozenset(
    {JobDeleted, ArtifactsRemoved, JobSubmitted, CancellationAnswered}
)
MODEL = Model(table, _EVENTS, _key, project)

_LANES = Lanes(table, key="key", lane="account_id", due="owed_from", where="duty = :duty")
_UNANSWERED = (
    select(table.c.job_id, table.c.attempt)
    .where(
        table.c.duty == Duty.REPLY.value,
        table.c.endpoint == bindparam("endpoint"),
        table.c.owed_from >= bindparam("since"),
    )
    .limit(bindparam("limit"))
)


def due(connection: Connection, turn: Turn, duty: Duty) -> list[Owed]:
    """Return what is owed since `turn.until` or longer, in turn by account."""
    rows = _LANES.take(connection, turn, duty=duty.value)
    return [Owed(**{**row._mapping, "duty": Duty(row.duty)}) for row in rows]  # noqa: SLF001


def unanswered(
    connection: Connection, endpoint: str, since: int, limit: int
) -> list[tuple[JobId, int]]:
    """Return the attempts of ended jobs whose POST to this endpoint was never answered."""
    wanted = {"endpoint": endpoint, "since": since, "limit": limit}
    return [(JobId(row.job_id), row.attempt) for row in connection.execute(_UNANSWERED, wanted)]
