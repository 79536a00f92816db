"""Waiting is a row: every job that somebody still has to do something about, and since when.

Ids, times and states only, so that no content can stop it.
"""

from collections.abc import Callable
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
    func,
    select,
)

from contracts.events import (
    ArtifactsRemoved,
    AttemptFailed,
    CancellationAnswered,
    Event,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobHidden,
    JobRequested,
    JobSubmitted,
    ResultReceived,
    RunStepStarted,
    SubmissionStarted,
)
from contracts.events.evidence import Verdict
from contracts.ids import AccountId, JobId
from contracts.job_state import End
from read_models.unit_of_work import METADATA, At, Micros, Model, Row, UnitOfWork, key_by, micros_of


class Waits(StrEnum):
    """What for. Beside each: what `waits_from` is, and whose sweep acts on it."""

    RUN = "run"  # When it was requested; its run lets it go. Nobody.
    TO_SUBMIT = "to_submit"  # When it was requested, or may be tried again. Dispatcher.
    OUTCOME = "outcome"  # When the POST was about to be sent. Dispatcher, ingestor.
    RESULT = "result"  # When the provider took it. Ingestor.
    STORING = "storing"  # When the result came. Ingestor.
    REPLY = "reply"  # It has ended, but the POST's reply may still come. Nobody.
    CANCELLATION = "cancellation"  # When it ended while the provider had it. Dispatcher.
    REMOVAL = "removal"  # When its owner deleted it. Ingestor.


table = Table(
    "waiting_jobs",
    METADATA,
    Column("job_id", Text, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("waits", Text, nullable=False),
    Column("waits_from", Micros, nullable=False),
    Column("deadline_at", Micros, nullable=False),
    Column("requested_in", BigInteger, nullable=False),
    Column("started_in", BigInteger),  # The run's commit that let it go.
    Column("result_in", BigInteger),
    Column("attempt", Integer, nullable=False),
    Column("end", Text),
    Column("endpoint", Text),
    Column("request_id", Text),
    Column("status_url", Text),
    Column("response_url", Text),
    Column("cancel_url", Text),
    Column("sequence", BigInteger, nullable=False),
    Index("waiting_jobs_due", "waits", "waits_from"),
    Index("waiting_jobs_deadline", "deadline_at"),
)


_URLS = ("status_url", "response_url", "cancel_url")


class WaitingJob(Struct, frozen=True, kw_only=True):
    """One row. Times are in microseconds; URLs are the provider's, once it has answered."""

    job_id: JobId
    account_id: AccountId
    waits: Waits
    waits_from: int
    deadline_at: int
    requested_in: int
    started_in: int | None
    result_in: int | None
    attempt: int
    end: str | None
    endpoint: str | None
    request_id: str | None
    status_url: str | None
    response_url: str | None
    cancel_url: str | None
    sequence: int


def project(event: Event, at: At, unit: UnitOfWork) -> None:
    job_id = getattr(event, "job_id", "")
    if isinstance(event, JobRequested):
        unit.put(table, job_id, _requested(event, at))
    elif isinstance(event, JobHidden):
        unit.put(table, job_id, _removal(event, at))
    elif (row := unit.row(table, job_id)) is not None:
        row["sequence"] = at.sequence
        if not _CHANGES[type(event)](event, row, at):
            unit.put(table, job_id, None)


def _started(event: SubmissionStarted, row: Row, at: At) -> bool:
    row |= {"attempt": event.attempt, "endpoint": event.endpoint}
    return _wait(row, Waits.OUTCOME, at.micros)


def _let_go(event: RunStepStarted, row: Row, at: At) -> bool:
    row |= {"started_in": at.sequence, "deadline_at": micros_of(event.deadline_at)}
    return _wait(row, Waits.TO_SUBMIT, at.micros)


def _submitted(event: JobSubmitted, row: Row, at: At) -> bool:
    row |= {
        "request_id": event.request_id,
        "status_url": event.status_url,
        "response_url": event.response_url,
        "cancel_url": event.cancel_url,
    }
    if row["end"] is not None:
        return row["end"] != End.COMPLETED and _wait(row, Waits.CANCELLATION, at.micros)
    if row["waits"] in {Waits.OUTCOME, Waits.TO_SUBMIT}:
        return _wait(row, Waits.RESULT, at.micros)
    return True


def _received(event: ResultReceived, row: Row, at: At) -> bool:
    is_stale = event.attempt < row["attempt"] and event.verdict is not Verdict.OK
    if row["end"] is not None or is_stale:
        return True  # What an older attempt failed with settles nothing: the newer one is awaited.
    if event.request_id and event.request_id != row["request_id"]:
        row |= {"request_id": event.request_id, **dict.fromkeys(_URLS)}
    row["result_in"] = at.sequence
    return _wait(row, Waits.STORING, at.micros)


def _ended(end: End) -> "Change":
    def change(_event: Event, row: Row, at: At) -> bool:
        row["end"] = end.value
        if row["waits"] == Waits.OUTCOME:
            return _wait(row, Waits.REPLY, at.micros)
        may_run = row["waits"] == Waits.RESULT and end is not End.COMPLETED
        return may_run and _wait(row, Waits.CANCELLATION, at.micros)

    return change


def _done(_event: Event, _row: Row, _at: At) -> bool:
    return False


# Each changes the row in place and tells whether it stays.
Change = Callable[[Any, Row, At], bool]
_CHANGES: dict[type[Event], Change] = {
    RunStepStarted: _let_go,
    SubmissionStarted: _started,
    AttemptFailed: lambda event, row, _: _wait(row, Waits.TO_SUBMIT, micros_of(event.not_before)),
    JobSubmitted: _submitted,
    ResultReceived: _received,
    JobCompleted: _ended(End.COMPLETED),
    JobFailed: _ended(End.FAILED),
    JobCancelled: _ended(End.CANCELLED),
    CancellationAnswered: _done,
    ArtifactsRemoved: _done,
}


def _wait(row: Row, waits: Waits, since: int) -> bool:
    row |= {"waits": waits.value, "waits_from": since}
    return True


def _requested(event: JobRequested, at: At) -> Row:
    waits = Waits.TO_SUBMIT if event.run_id is None else Waits.RUN
    row = _row(event.job_id, event.account_id, waits, at)
    return row | {"requested_in": at.sequence, "deadline_at": micros_of(event.deadline_at)}


def _removal(event: JobHidden, at: At) -> Row:
    row = _row(event.job_id, event.account_id, Waits.REMOVAL, at)
    return row | {"end": "hidden"}


def _row(job: str, account: str, waits: Waits, at: At) -> Row:
    optional = ("started_in", "result_in", "end", "endpoint", "request_id")
    return {
        "job_id": job,
        "account_id": account,
        "waits": waits.value,
        "waits_from": at.micros,
        "deadline_at": 0,
        "requested_in": 0,
        "attempt": 0,
        "sequence": at.sequence,
        **dict.fromkeys((*optional, *_URLS)),
    }


_EVENTS: frozenset[type[Event]] = frozenset({JobRequested, JobHidden, *_CHANGES})
MODEL = Model(table, _EVENTS, key_by("job_id"), project)

_TURN = func.row_number().over(
    partition_by=table.c.account_id, order_by=(table.c.waits_from, table.c.job_id)
)
_DUE = (
    select(table)
    .where(table.c.waits == bindparam("waits"), table.c.waits_from <= bindparam("until"))
    .order_by(_TURN, table.c.waits_from, table.c.job_id)
    .limit(bindparam("limit"))
)
_OVERDUE = (
    select(table)
    .where(
        table.c.deadline_at <= bindparam("until"),
        table.c.end.is_(None),
        table.c.waits.in_([Waits.TO_SUBMIT.value, Waits.OUTCOME.value, Waits.RESULT.value]),
    )
    .order_by(table.c.deadline_at, table.c.job_id)
    .limit(bindparam("limit"))
)
_UNANSWERED = (
    select(table)
    .where(
        table.c.waits.in_([Waits.OUTCOME.value, Waits.REPLY.value]),
        table.c.endpoint == bindparam("endpoint"),
        table.c.waits_from >= bindparam("since"),
    )
    .limit(bindparam("limit"))
)
_BY_ID = select(table).where(table.c.job_id == bindparam("job_id"))


def due(connection: Connection, waits: Waits, until: int, limit: int) -> list[WaitingJob]:
    """Return who has waited since `until` or longer, one of each account in turn."""
    found = connection.execute(_DUE, {"waits": waits.value, "until": until, "limit": limit})
    return [_waiting(row) for row in found]


def past_deadline(connection: Connection, until: int, limit: int) -> list[WaitingJob]:
    """Return the open jobs without a recorded result whose deadline has passed."""
    found = connection.execute(_OVERDUE, {"until": until, "limit": limit})
    return [_waiting(row) for row in found]


def unanswered(connection: Connection, endpoint: str, since: int, limit: int) -> list[WaitingJob]:
    """Return the jobs, open or ended, whose last POST to this endpoint was never answered."""
    wanted = {"endpoint": endpoint, "since": since, "limit": limit}
    return [_waiting(row) for row in connection.execute(_UNANSWERED, wanted)]


_AT_PROVIDER = select(func.count()).where(
    table.c.waits.in_([Waits.OUTCOME.value, Waits.RESULT.value]), table.c.end.is_(None)
)


def count_at_provider(connection: Connection) -> int:
    """Return how many open jobs the provider has, or may have."""
    return int(connection.execute(_AT_PROVIDER).scalar_one())


_OPEN = select(func.count()).where(table.c.end.is_(None))


def count_open(connection: Connection) -> int:
    """Return how many jobs have not ended."""
    return int(connection.execute(_OPEN).scalar_one())


def find(connection: Connection, job: JobId) -> WaitingJob | None:
    found = connection.execute(_BY_ID, {"job_id": job}).one_or_none()
    return _waiting(found) if found is not None else None


def _waiting(found: Any) -> WaitingJob:
    return WaitingJob(**{**found._mapping, "waits": Waits(found.waits)})  # noqa: SLF001
