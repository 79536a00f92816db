"""Runs that somebody still has to do something about. Ids, times and states only."""

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
    Event,
    JobCancelled,
    JobCompleted,
    JobFailed,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunRequested,
    RunStepSettled,
    RunStepStarted,
)
from contracts.ids import RunId
from read_models.unit_of_work import METADATA, At, Micros, Model, UnitOfWork

table = Table(
    "waiting_runs",
    METADATA,
    Column("run_id", Text, primary_key=True),
    Column("requested_in", BigInteger, nullable=False),
    Column("due_at", Micros),  # None while it waits for a step's job.
    Column("open_jobs", Integer, nullable=False),
    Column("end", Text),
    Column("sequence", BigInteger, nullable=False),
    Index("waiting_runs_due", "due_at"),
)

_JOB_ENDS: tuple[type[Event], ...] = (JobCompleted, JobFailed, JobCancelled)
_RUN_ENDS: tuple[type[Event], ...] = (RunCompleted, RunFailed, RunCancelled)


class WaitingRun(Struct, frozen=True):
    run_id: RunId
    requested_in: int


def key(event: Any, at: At) -> str | None:
    """Return the event's run; a job's end has it in the state that its commit carries."""
    if isinstance(event, _JOB_ENDS):
        return at.job.run_id if at.job is not None else None
    return str(event.run_id)


def project(event: Event, at: At, unit: UnitOfWork) -> None:
    run_id = str(key(event, at))
    if isinstance(event, RunRequested):
        jobs_open = sum(step.end is None for step in event.steps)
        row = {"run_id": run_id, "requested_in": at.sequence, "due_at": at.micros, "end": None}
        unit.put(table, run_id, row | {"open_jobs": jobs_open, "sequence": at.sequence})
        return
    found = unit.row(table, run_id)
    if found is None:
        return
    found |= {"sequence": at.sequence, "due_at": at.micros}
    if isinstance(event, RunStepStarted):
        found["due_at"] = None
    elif isinstance(event, _JOB_ENDS):
        found["open_jobs"] -= 1
    elif isinstance(event, _RUN_ENDS):
        found["end"] = type(event).__name__
    if found["end"] is not None and found["open_jobs"] == 0:
        unit.put(table, run_id, None)


_EVENTS: frozenset[type[Event]] = frozenset(
    {RunRequested, RunStepStarted, RunStepSettled, *_JOB_ENDS, *_RUN_ENDS}
)
MODEL = Model(table, _EVENTS, key, project)

_DUE = (
    select(table.c.run_id, table.c.requested_in)
    .where(table.c.due_at.is_not(None))
    .order_by(table.c.due_at, table.c.run_id)
    .limit(bindparam("limit"))
)


def due(connection: Connection, limit: int) -> list[WaitingRun]:
    """Return runs that can go on, those that have waited longest first."""
    found = connection.execute(_DUE, {"limit": limit})
    return [WaitingRun(RunId(row.run_id), row.requested_in) for row in found]
