"""Open runs, one row each: when each is to be looked at (domain.waiting decides that).

The rows hold ids, times and states only, so that no content can stop the projection.
"""

from typing import Any

from msgspec import Struct
from sqlalchemy import BigInteger, Column, Connection, Index, Integer, Table, Text

from contracts.events import JOB_ENDS, RUN_ENDS, Event, RunRequested, RunStepSettled, RunStepStarted
from contracts.ids import AccountId, RunId
from domain.turns import Turn
from domain.waiting import RunWait, first_run_wait, next_run_wait
from read_models.tables import METADATA, Micros
from read_models.turns import Lanes
from read_models.unit_of_work import At, Model, UnitOfWork

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
    if isinstance(event, JOB_ENDS):
        return at.job.run_id if at.job is not None else None
    return str(event.run_id)


def project(event: Event, at: At, unit: UnitOfWork) -> None:
    run_id = str(key(event, at))
    if isinstance(event, RunRequested):
        wait = first_run_wait(event, at.micros)
        row = {
            "run_id": run_id,
            "account_id": event.account_id,
            "requested_sequence": at.sequence,
            "due_at": wait.due_at,
            "open_jobs": wait.open_jobs,
            "end": None,
            "sequence": at.sequence,
        }
        unit.put(table, run_id, row)
        return
    found = unit.row(table, run_id)
    if found is None:
        return
    before = RunWait(found["due_at"], found["open_jobs"], found["end"] is not None)
    after = next_run_wait(before, event, at.micros)
    if after is None:
        unit.put(table, run_id, None)
        return
    found |= {"sequence": at.sequence, "due_at": after.due_at, "open_jobs": after.open_jobs}
    if isinstance(event, RUN_ENDS):
        found["end"] = type(event).__name__


_EVENTS: frozenset[type[Event]] = frozenset(
    {RunRequested, RunStepStarted, RunStepSettled, *JOB_ENDS, *RUN_ENDS}
)
MODEL = Model(table, _EVENTS, key, project)

_LANES = Lanes(table, key="run_id", lane="account_id", due="due_at", where="1 = 1")


def due(connection: Connection, turn: Turn) -> list[WaitingRun]:
    """Return runs that can go on, in turn by account."""
    rows = _LANES.take(connection, turn)
    return [WaitingRun(RunId(row.run_id), row.account_id, row.requested_sequence) for row in rows]
