"""Exclusive keys: which job or run is open for each (one at a time), and which was the newest."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import BigInteger, Column, Connection, Integer, Table, Text, bindparam, select

from contracts.events import JOB_ENDS, RUN_ENDS, Event, JobRequested, RunRequested
from contracts.ids import AccountId
from read_models.tables import METADATA
from read_models.unit_of_work import At, Model, UnitOfWork

table = Table(
    "exclusive_keys",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("newest", Text, nullable=False),
    Column("open", Text),
    Column("times", Integer, nullable=False),
    Column("sequence", BigInteger, nullable=False),
)


class ExclusiveKeyUse(Struct, frozen=True):
    """`times` counts the jobs and runs requested under the key, except runs that continue one."""

    newest: str
    open: str | None
    times: int


def key_of(account: str, exclusive_key: str) -> str:
    return f"{account}/{exclusive_key}"


def _key(event: Any, at: At) -> str | None:
    if isinstance(event, JOB_ENDS):
        exclusive_key = at.job.exclusive_key if at.job is not None else None
    elif isinstance(event, RUN_ENDS):
        exclusive_key = at.run.exclusive_key if at.run is not None else None
    else:
        exclusive_key = event.exclusive_key
    return key_of(event.account_id, exclusive_key) if exclusive_key is not None else None


def project(event: Event, at: At, unit: UnitOfWork) -> None:
    key = str(_key(event, at))
    row = unit.row(table, key)
    if isinstance(event, JobRequested | RunRequested):
        newest = event.job_id if isinstance(event, JobRequested) else event.run_id
        continues = isinstance(event, RunRequested) and event.continues is not None
        times = (row["times"] if row is not None else 0) + (0 if continues else 1)
        opened = {"key": key, "newest": newest, "open": newest, "times": times}
        unit.put(table, key, opened | {"sequence": at.sequence})
    elif row is not None and row["open"] in {getattr(event, "job_id", ""), _run_id(event)}:
        row |= {"open": None, "sequence": at.sequence}


def _run_id(event: Event) -> str:
    return str(getattr(event, "run_id", ""))


MODEL = Model(table, frozenset({JobRequested, RunRequested, *JOB_ENDS, *RUN_ENDS}), _key, project)

_BY_KEYS = select(table).where(table.c.key.in_(bindparam("keys", expanding=True)))


def find(connection: Connection, account: AccountId, exclusive_key: str) -> ExclusiveKeyUse | None:
    row = connection.execute(_BY_KEYS, {"keys": [key_of(account, exclusive_key)]}).one_or_none()
    return ExclusiveKeyUse(row.newest, row.open, row.times) if row is not None else None


def open_of(
    connection: Connection, account: AccountId, exclusive_keys: Sequence[str]
) -> dict[str, str]:
    """Return the open job or run of each of these keys that has one."""
    keys = {key_of(account, exclusive_key): exclusive_key for exclusive_key in exclusive_keys}
    rows = connection.execute(_BY_KEYS, {"keys": list(keys)})
    return {keys[row.key]: row.open for row in rows if row.open is not None}
