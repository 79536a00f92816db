"""Waiting is a row: every open job that somebody still has to do something about, and since when.

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
    AttemptFailed,
    Event,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobRequested,
    JobSubmitted,
    ResultReceived,
    RunStepStarted,
    SubmissionStarted,
)
from contracts.events.evidence import Verdict
from contracts.ids import AccountId, JobId
from domain.times import micros_of
from domain.turns import Turn
from read_models import owed, provider_requests
from read_models.turns import Lanes
from read_models.unit_of_work import METADATA, At, Micros, Model, Row, UnitOfWork, key_by


class WaitReason(StrEnum):
    """What for. Beside each: what `waiting_since` is, and whose sweep acts on it. Whatever it waits
    for, its deadline ends it, until a result is recorded; then the storing limit does.
    """

    RUN = "run"  # When it was requested; its run lets it go.
    TO_SUBMIT = "to_submit"  # When it was requested, or may be tried again. Dispatcher.
    OUTCOME = "outcome"  # When the POST was about to be sent. Dispatcher, ingestor.
    RESULT = "result"  # When the provider took it. Ingestor.
    STORING = "storing"  # When the result came. Ingestor.


table = Table(
    "waiting_jobs",
    METADATA,
    Column("job_id", Text, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("wait_reason", Text, nullable=False),
    Column("waiting_since", Micros, nullable=False),
    Column("deadline_at", Micros),  # None once a result is recorded.
    Column("requested_sequence", BigInteger, nullable=False),
    Column("started_sequence", BigInteger),  # The run's commit that let it go.
    Column("arguments_sequence", BigInteger),  # The commit that holds what is sent to the provider.
    Column("result_sequence", BigInteger),
    Column("attempt", Integer, nullable=False),
    Column("endpoint", Text),
    Column("request_id", Text),
    Column("status_url", Text),
    Column("response_url", Text),
    Column("cancel_url", Text),
    Column("sequence", BigInteger, nullable=False),
    Index("waiting_jobs_due", "wait_reason", "waiting_since", "job_id"),
    Index("waiting_jobs_of_account", "wait_reason", "account_id", "waiting_since", "job_id"),
    Index("waiting_jobs_deadline", "deadline_at", "job_id"),
    Index("waiting_jobs_deadline_of_account", "account_id", "deadline_at", "job_id"),
)


_URLS = ("status_url", "response_url", "cancel_url")


class WaitingJob(Struct, frozen=True, kw_only=True):
    """One row. Times are in microseconds; URLs are the provider's, once it has answered."""

    job_id: JobId
    account_id: AccountId
    wait_reason: WaitReason
    waiting_since: int
    deadline_at: int | None
    requested_sequence: int
    started_sequence: int | None
    arguments_sequence: int | None
    result_sequence: int | None
    attempt: int
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


def project(event: Event, at: At, unit: UnitOfWork) -> None:
    job_id = getattr(event, "job_id", "")
    if isinstance(event, JobRequested):
        unit.put(table, job_id, _requested(event, at))
    elif (row := unit.row(table, job_id)) is not None:
        row["sequence"] = at.sequence
        if isinstance(event, ResultReceived | JobCompleted) and event.attempt < row["attempt"]:
            _overtaken(row, at, unit)
        if isinstance(event, JobSubmitted) and _is_left_behind(event, row):
            owed.cancel_request(event, row["endpoint"], at, unit)
        elif type(event) in _CHANGES:
            if isinstance(event, SubmissionStarted) and row["request_id"] is not None:
                owed.cancel(row, at, unit)
            _CHANGES[type(event)](event, row, at)
        else:
            unit.put(table, job_id, None)
            if _may_run(row) and not isinstance(event, JobCompleted):
                owed.cancel(row, at, unit)


def _is_left_behind(event: JobSubmitted, row: Row) -> bool:
    """Tell whether a newer attempt is under way. If that one was refused, the older is awaited."""
    return bool(event.attempt < row["attempt"] and row["wait_reason"] != WaitReason.TO_SUBMIT)


def _may_run(row: Row) -> bool:
    """Tell whether the provider has it, or may have it; also a request that was given up on."""
    is_known = row["wait_reason"] == WaitReason.TO_SUBMIT and row["request_id"] is not None
    return is_known or row["wait_reason"] in {WaitReason.OUTCOME, WaitReason.RESULT}


def _overtaken(row: Row, at: At, unit: UnitOfWork) -> None:
    """An older attempt's result came while a newer one's POST was not answered: nobody waits for
    the answer any more, and the provider's request must not be taken for another job's.
    """
    if row["wait_reason"] == WaitReason.OUTCOME:
        lost = {"job_id": row["job_id"], "attempt": row["attempt"], "at": at.micros}
        unit.insert(provider_requests.lost_attempts, lost)


def _started(event: SubmissionStarted, row: Row, at: At) -> None:
    row |= {"attempt": event.attempt, "endpoint": event.endpoint}
    if event.arguments is not None:
        row["arguments_sequence"] = at.sequence
    # The request of an earlier attempt is not this one's.
    row |= {"request_id": None, **dict.fromkeys(_URLS)}
    _wait(row, WaitReason.OUTCOME, at.micros)


def _let_go(event: RunStepStarted, row: Row, at: At) -> None:
    row |= {"started_sequence": at.sequence, "deadline_at": micros_of(event.deadline_at)}
    _wait(row, WaitReason.TO_SUBMIT, at.micros)


def _submitted(event: JobSubmitted, row: Row, at: At) -> None:
    row |= {
        "request_id": event.request_id,
        "status_url": event.status_url,
        "response_url": event.response_url,
        "cancel_url": event.cancel_url,
    }
    if row["wait_reason"] in {WaitReason.OUTCOME, WaitReason.TO_SUBMIT}:
        _wait(row, WaitReason.RESULT, at.micros)


def _received(event: ResultReceived, row: Row, at: At) -> None:
    """What an older attempt failed with settles nothing: the newer one is awaited. A delivery
    that says neither yes nor no is no result yet: the deadline goes on.
    """
    if event.attempt < row["attempt"] and event.verdict is not Verdict.OK:
        return
    if event.request_id and event.request_id != row["request_id"]:
        row |= {"request_id": event.request_id, **dict.fromkeys(_URLS)}
    row["result_sequence"] = at.sequence
    if event.verdict is not Verdict.NO_PAYLOAD:
        row["deadline_at"] = None
    _wait(row, WaitReason.STORING, at.micros)


Change = Callable[[Any, Row, At], None]
_CHANGES: dict[type[Event], Change] = {
    RunStepStarted: _let_go,
    SubmissionStarted: _started,
    AttemptFailed: lambda event, row, _: _wait(
        row, WaitReason.TO_SUBMIT, micros_of(event.not_before)
    ),
    JobSubmitted: _submitted,
    ResultReceived: _received,
}
_ENDS: frozenset[type[Event]] = frozenset({JobCompleted, JobFailed, JobCancelled})


def _wait(row: Row, wait_reason: WaitReason, since: int) -> None:
    row |= {"wait_reason": wait_reason.value, "waiting_since": since}


def _requested(event: JobRequested, at: At) -> Row:
    wait_reason = WaitReason.TO_SUBMIT if event.run_id is None else WaitReason.RUN
    optional = (
        "started_sequence",
        "arguments_sequence",
        "result_sequence",
        "endpoint",
        "request_id",
        *_URLS,
    )
    return {
        "job_id": event.job_id,
        "account_id": event.account_id,
        "wait_reason": wait_reason.value,
        "waiting_since": at.micros,
        "deadline_at": micros_of(event.deadline_at),
        "requested_sequence": at.sequence,
        "attempt": 0,
        "sequence": at.sequence,
        **dict.fromkeys(optional),
    }


MODEL = Model(table, frozenset({JobRequested, *_CHANGES, *_ENDS}), key_by("job_id"), project)

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
    return [_waiting(row) for row in _LANES.take(connection, turn, wait_reason=wait_reason.value)]


def past_deadline(connection: Connection, turn: Turn) -> list[WaitingJob]:
    """Return the open jobs without a recorded result whose deadline has passed, in turn."""
    return [_waiting(row) for row in _LATE.take(connection, turn)]


def unanswered(connection: Connection, endpoint: str, since: int, limit: int) -> list[WaitingJob]:
    """Return the open jobs whose last POST to this endpoint was not answered yet."""
    wanted = {"endpoint": endpoint, "since": since, "limit": limit}
    return [_waiting(row) for row in connection.execute(_UNANSWERED, wanted)]


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
    return _waiting(found) if found is not None else None


def _waiting(found: Any) -> WaitingJob:
    return WaitingJob(**{**found._mapping, "wait_reason": WaitReason(found.wait_reason)})  # noqa: SLF001
