"""What is still to be done for jobs that have ended (domain.owed decides that): a cancellation at
the provider, a removal of files. Each is a row of its own, so that none can overwrite another.
"""

from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Index, bindparam, select

from contracts.events import ArtifactsRemoved, CancellationAnswered, Event, JobDeleted, JobSubmitted
from contracts.ids import AccountId, JobId
from domain.owed import Duty, duty_after, is_cancelled_at_provider
from domain.turns import Turn
from read_models import jobs
from read_models.tables import Short, reader, table_of
from read_models.turns import Lanes
from read_models.unit_of_work import At, Model, Row, UnitOfWork


class Owed(Struct, frozen=True, kw_only=True):
    """One row. `request_id` and `cancel_url` are the provider's, once it has answered."""

    key: str
    duty: Duty
    job_id: JobId
    account_id: AccountId
    owed_from: int
    attempt: Short
    endpoint: str | None
    request_id: str | None
    cancel_url: str | None
    sequence: int

    @property
    def lane(self) -> str:
        return self.account_id


table = table_of(
    "owed",
    Owed,
    Index("owed_due", "duty", "owed_from", "key"),
    Index("owed_of_account", "duty", "account_id", "owed_from", "key"),
)
_read = reader(Owed)


def put(duty: Duty, row: Row, request: JobSubmitted | None, at: At, unit: UnitOfWork) -> None:
    """Store what is owed about a request: the given one, or else that of the row, which is a row
    of the jobs that wait.
    """
    if request is not None:
        _put_request(duty, request, row["endpoint"], at, unit)
        return
    key = _cancellation(row["job_id"], row["attempt"])
    unit.put(table, key, _row(key, duty, row, at))


def project(event: Any, at: At, unit: UnitOfWork) -> None:
    match event:
        case JobDeleted():
            key = _removal(event.job_id)
            about = {"job_id": event.job_id, "account_id": event.account_id, "attempt": 0}
            unit.put(table, key, _row(key, Duty.REMOVAL, about, at))
        case JobSubmitted():
            job = unit.peek(jobs.table, event.job_id)
            if job is not None and is_cancelled_at_provider(job["status"]):
                _put_request(Duty.CANCELLATION, event, None, at, unit)
        case CancellationAnswered() | ArtifactsRemoved():
            _answered(event, at, unit)


def _answered(event: CancellationAnswered | ArtifactsRemoved, at: At, unit: UnitOfWork) -> None:
    key = _key(event, at)
    row = unit.row(table, key)
    if row is None:
        return
    duty = Duty(row["duty"])
    after = duty_after(duty, row["request_id"], event)
    if after is None:
        unit.put(table, key, None)
    elif after is not duty:
        row |= {"duty": after.value, "sequence": at.sequence}


def _put_request(
    duty: Duty, event: JobSubmitted, endpoint: str | None, at: At, unit: UnitOfWork
) -> None:
    """Store what is owed about a request that the provider has, unless it was cancelled before."""
    key = _cancellation(event.job_id, event.attempt)
    known = unit.row(table, key)
    if known is not None:
        if (known["duty"], known["request_id"]) == (Duty.ANSWERED, event.request_id):
            return
        endpoint = known["endpoint"]
    row = _row(key, duty, {name: getattr(event, name) for name in _OF_REQUEST}, at)
    unit.put(table, key, row | {"endpoint": endpoint})


_OF_REQUEST = ("job_id", "account_id", "attempt", "request_id", "cancel_url")


def _row(key: str, duty: Duty, about: Row, at: At) -> Row:
    return {
        "key": key,
        "duty": duty.value,
        "job_id": about["job_id"],
        "account_id": about["account_id"],
        "owed_from": at.micros,
        "attempt": about["attempt"],
        "endpoint": about.get("endpoint"),
        "request_id": about.get("request_id"),
        "cancel_url": about.get("cancel_url"),
        "sequence": at.sequence,
    }


def _cancellation(job: str, attempt: int) -> str:
    return f"cancellation.{job}.{attempt}"


def _removal(job: str) -> str:
    return f"removal.{job}"


def _key(event: Any, _at: At) -> str:
    if isinstance(event, JobDeleted | ArtifactsRemoved):
        return _removal(event.job_id)
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
    return [_read(row) for row in _LANES.take(connection, turn, duty=duty.value)]


def unanswered(
    connection: Connection, endpoint: str, since: int, limit: int
) -> list[tuple[JobId, int]]:
    """Return the attempts of ended jobs whose POST to this endpoint was never answered."""
    wanted = {"endpoint": endpoint, "since": since, "limit": limit}
    return [(JobId(row.job_id), row.attempt) for row in connection.execute(_UNANSWERED, wanted)]
