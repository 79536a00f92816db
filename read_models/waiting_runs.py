"""Runs that somebody still has to do something about, and when. Ids, times and states only."""

from typing import Any

from msgspec import Struct
from sqlalchemy import BigInteger, Column, Connection, Index, Integer, Table, Text

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
from contracts.ids import AccountId, RunId
from domain.turns import Turn
from read_models.turns import Lanes
from read_models.unit_of_work import METADATA, At, Micros, Model, UnitOfWork

# A run whose step is under way is woken by the end of the step's job. It is looked at all the
# same now and then: the job may have ended before the step was recorded as started.
UNDER_WAY_MICROS = 30_000_000

table = Table(
    "waiting_runs",
    METADATA,
    Column("run_id", Text, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("requested_sequence", BigInteger, nullable=False),
    Column("due_at", Micros, nullable=False),
    Column("open_jobs", Integer, nullable=False),
    Column("end", Text),
    Column("sequence", BigInteger, nullable=False),
    Index("waiting_runs_due", "due_at", "run_id"),
    Index("waiting_runs_of_account", "account_id", "due_at", "run_id"),
)

_JOB_ENDS: tuple[type[Event], ...] = (JobCompleted, JobFailed, JobCancelled)
_RUN_ENDS: tuple[type[Event], ...] = (RunCompleted, RunFailed, RunCancelled)


class WaitingRun(Struct, frozen=True):
    run_id: RunId
    account_id: AccountId
    requested_sequence: int

    @property
    def key(self) -> str:
        return self.run_id

    @property
    def lane(self) -> str:
        return self.account_id


def key(event: Any, at: At) -> str | None:
    """Return the event's run; a job's end has it in the state that its commit carries."""
    if isinstance(event, _JOB_ENDS):
        return at.job.run_id if at.job is not None else None
    return str(event.run_id)


def project(event: Event, at: At, unit: UnitOfWork) -> None:
    run_id = str(key(event, at))
    if isinstance(event, RunRequested):
        jobs_open = sum(step.end is None for step in event.steps)
        row = {
            "run_id": run_id,
            "account_id": event.account_id,
            "requested_sequence": at.sequence,
            "due_at": at.micros,
            "open_jobs": jobs_open,
            "end": None,
            "sequence": at.sequence,
        }
        unit.put(table, run_id, row)
        return
    found = unit.row(table, run_id)
    if found is None:
        return
    found |= {"sequence": at.sequence, "due_at": at.micros}
    if isinstance(event, RunStepStarted):
        found["due_at"] = at.micros + UNDER_WAY_MICROS
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

_LANES = Lanes(table, key="run_id", lane="account_id", due="due_at", where="1 = 1")


def due(connection: Connection, turn: Turn) -> list[WaitingRun]:
    """Return runs that can go on, in turn by account."""
    rows = _LANES.take(connection, turn)
    return [WaitingRun(RunId(row.run_id), row.account_id, row.requested_sequence) for row in rows]
