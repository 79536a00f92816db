"""Runs as their owners see them, step by step."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Index, bindparam, literal_column, select

from contracts import events
from contracts.ids import AccountId, RunId
from domain.statuses import RunStatus, ShownStep, StepStatus
from domain.times import micros_of
from read_models.tables import Short, partial_index, reader, table_of
from read_models.unit_of_work import At, Model, Row, UnitOfWork
from read_models.waiting_runs import key

RANK = 2  # This table's number among the streamed tables: see At.change.


class Run(Struct, frozen=True, kw_only=True):
    """One row. Times are in microseconds."""

    run_id: RunId
    account_id: AccountId
    funnel: str
    project_id: str
    intake_id: str | None
    continues: str | None
    status: RunStatus
    steps: tuple[ShownStep, ...]
    requested_sequence: int
    started_at: int
    ended_at: int | None
    updated_at: int
    sequence: int
    change: Short


table = table_of("runs", Run, Index("runs_changed", "account_id", "sequence", "change"))
# No parameter: the index names it.
_is_running = table.c.status == literal_column(f"'{RunStatus.RUNNING}'")
partial_index("runs_running", _is_running, table.c.account_id, table.c.requested_sequence)
_read = reader(Run)
_steps = msgspec.json.Decoder(tuple[ShownStep, ...])


def project(event: events.Event, at: At, unit: UnitOfWork) -> None:
    run_id = str(key(event, at))
    if isinstance(event, events.RunRequested):
        unit.put(table, run_id, _requested(event, at))
        return
    row = unit.row(table, run_id)
    if row is None:
        return
    if type(event) in _ENDS:
        row |= {"status": _ENDS[type(event)].value, "ended_at": at.micros}
    else:
        steps = _steps.decode(row["steps"])
        for step in steps:
            if step.job_id == getattr(event, "job_id", ""):
                _STEP_CHANGES[type(event)](event, step, at)
        row["steps"] = msgspec.json.encode(steps)
    row |= {"updated_at": at.micros, "sequence": at.sequence, "change": at.change(RANK)}


def _started(_event: events.RunStepStarted, step: ShownStep, at: At) -> None:
    step.status, step.started_at = StepStatus.IN_PROGRESS, at.micros


def _completed(_event: events.JobCompleted, step: ShownStep, at: At) -> None:
    step.status, step.ended_at = StepStatus.COMPLETED, at.micros


def _failed(event: events.JobFailed, step: ShownStep, at: At) -> None:
    step.status, step.ended_at = StepStatus.FAILED, at.micros
    step.code, step.message = event.code, event.message


def _cancelled(_event: events.JobCancelled, step: ShownStep, at: At) -> None:
    step.status, step.ended_at, step.code = StepStatus.CANCELLED, at.micros, "cancelled"


_STEP_CHANGES: dict[type[events.Event], Callable[[Any, ShownStep, At], None]] = {
    events.RunStepStarted: _started,
    events.JobCompleted: _completed,
    events.JobFailed: _failed,
    events.JobCancelled: _cancelled,
}
_ENDS: dict[type[events.Event], RunStatus] = {
    events.RunCompleted: RunStatus.COMPLETED,
    events.RunFailed: RunStatus.FAILED,
    events.RunCancelled: RunStatus.CANCELLED,
}


def _requested(event: events.RunRequested, at: At) -> Row:
    steps = [
        ShownStep(
            step=each.step,
            name=each.name,
            job_id=each.job_id,
            status=StepStatus(each.end or StepStatus.PENDING),
            code=each.code,
            ended_at=micros_of(each.ended_at) if each.ended_at is not None else None,
            taken=each.end is not None,
        )
        for each in event.steps
    ]
    return {
        "run_id": event.run_id,
        "account_id": event.account_id,
        "funnel": event.funnel,
        "project_id": event.project_id,
        "intake_id": event.intake_id,
        "continues": event.continues,
        "status": RunStatus.RUNNING.value,
        "steps": msgspec.json.encode(steps),
        "requested_sequence": at.sequence,
        "started_at": at.micros,
        "ended_at": None,
        "updated_at": at.micros,
        "sequence": at.sequence,
        "change": at.change(RANK),
    }


MODEL = Model(table, frozenset({events.RunRequested, *_STEP_CHANGES, *_ENDS}), key, project)

_BY_ID = select(table).where(table.c.run_id == bindparam("run_id"))
_CHANGED = (
    select(table)
    .where(table.c.account_id == bindparam("account_id"), table.c.sequence > bindparam("after"))
    .order_by(table.c.sequence, table.c.change)
    .limit(bindparam("limit"))
)
_LAST_CHANGED = (
    select(table)
    .where(table.c.account_id == bindparam("account_id"))
    .order_by(table.c.sequence.desc(), table.c.change.desc())
    .limit(bindparam("limit"))
)
_RUNNING = (
    select(table)
    .where(table.c.account_id == bindparam("account_id"), _is_running)
    .order_by(table.c.requested_sequence)
    .limit(bindparam("limit"))
)


def find(connection: Connection, run: RunId) -> Run | None:
    found = connection.execute(_BY_ID, {"run_id": run}).one_or_none()
    return _read(found) if found is not None else None


def changed_since(connection: Connection, account: AccountId, after: int, limit: int) -> list[Run]:
    """Return the account's runs that changed after the sequence `after`, oldest change first."""
    wanted = {"account_id": account, "after": after, "limit": limit}
    return [_read(found) for found in connection.execute(_CHANGED, wanted)]


def open_ones(connection: Connection, account: AccountId, limit: int) -> list[Run]:
    """Return the account's runs that have not ended, oldest first."""
    found = connection.execute(_RUNNING, {"account_id": account, "limit": limit})
    return [_read(row) for row in found]


def last_changed(connection: Connection, account: AccountId, limit: int) -> list[Run]:
    """Return an account's runs, the last changed first."""
    found = connection.execute(_LAST_CHANGED, {"account_id": account, "limit": limit})
    return [_read(each) for each in found]
