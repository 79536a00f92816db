"""A batch's rows in memory: loaded once, folded in Python, written once."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from operator import attrgetter
from typing import Any, Literal

from msgspec import Struct
from sqlalchemy import BigInteger, Connection, MetaData, Table, bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import Insert

from contracts.announcement import ChangedRow
from contracts.commit import Recorded
from contracts.events import Event
from contracts.ids import AccountId
from contracts.job_state import JobState
from contracts.run_state import RunState

METADATA = MetaData()
Micros = BigInteger  # A time: microseconds since 1970, UTC.
KEYS_A_SELECT = 500
STREAMED_TABLES = 4
TABLES_WITH_READERS = (
    "jobs",
    "accounts",
    "access_tokens",
    "runs",
    "deliveries",
)  # What an announcement names.

Row = dict[str, Any]


class At(Struct, frozen=True):
    """Where and when a fact stands in the log."""

    sequence: int
    index: int
    micros: int
    actor: str
    boundary: str
    job: JobState | None = None  # As the commit carries it: after the commit.
    run: RunState | None = None

    @classmethod
    def of(cls, recorded: Recorded, index: int) -> "At":
        commit = recorded.commit
        actor = next((each.actor for each in commit.requests if index in each.events), "darkroom")
        boundary = recorded.subject.split(".", 2)[1]
        at = micros_of(commit.at)
        return cls(recorded.sequence, index, at, actor, boundary, commit.job, commit.run)

    def change(self, rank: int) -> int:
        """Return what tells this change apart from the others of its commit; `rank` is the
        table's own number among those that are streamed.
        """
        return 1 + self.index * STREAMED_TABLES + rank


class Model(Struct, frozen=True):
    """A read model keyed by one column: which events it folds, and how. An event whose key is
    None is about something else.
    """

    table: Table
    events: frozenset[type[Event]]
    key: Callable[[Any, At], str | None]
    project: Callable[[Any, At, "UnitOfWork"], None]


class UnitOfWork:
    """Rows by table and key. `None` stands for a row that is to be deleted or is not there."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._wanted: dict[Table, set[str]] = {}
        self._rows: dict[Table, dict[str, Row | None]] = {}
        self._dirty: dict[Table, set[str]] = {}
        self._inserts: dict[Table, list[Row]] = {}

    def want(self, table: Table, key: str) -> None:
        self._wanted.setdefault(table, set()).add(key)

    def load(self) -> None:
        for table, keys in self._wanted.items():
            rows = self._rows.setdefault(table, {})
            ordered = sorted(keys)
            for start in range(0, len(ordered), KEYS_A_SELECT):
                chunk = ordered[start : start + KEYS_A_SELECT]
                for found in self._connection.execute(_select(table), {"keys": chunk}):
                    row = dict(found._mapping)  # noqa: SLF001 - SQLAlchemy's public way to a dict.
                    rows[row[_key_name(table)]] = row

    def row(self, table: Table, key: str) -> Row | None:
        """Return the row to change in place, marked as changed; None when there is none."""
        found = self._rows[table].get(key)
        if found is not None:
            self._dirty.setdefault(table, set()).add(key)
        return found

    def peek(self, table: Table, key: str) -> Row | None:
        """Return a row that another read model wanted, or nothing."""
        return self._rows[table].get(key)

    def put(self, table: Table, key: str, row: Row | None) -> None:
        """Set the row; None deletes it."""
        self._rows.setdefault(table, {})[key] = row
        self._dirty.setdefault(table, set()).add(key)

    def insert(self, table: Table, row: Row) -> None:
        self._inserts.setdefault(table, []).append(row)

    def flush(self) -> tuple[ChangedRow, ...]:
        changed: list[ChangedRow] = []
        dialect: Any = self._connection.dialect.name
        for table, keys in self._dirty.items():
            rows = self._rows[table]
            kept = [row for key in keys if (row := rows[key]) is not None]
            gone = [{"key": key} for key in keys if rows[key] is None]
            if kept:
                self._connection.execute(_upsert(table, dialect), kept)
            if gone:
                self._connection.execute(_delete(table), gone)
            if table.name in TABLES_WITH_READERS:
                changed += [_changed(table, row) for row in kept]
        for table, rows_to_insert in self._inserts.items():
            self._connection.execute(_ignore(table, dialect), rows_to_insert)
        return tuple(changed)


def key_by(name: str) -> Callable[[Any, At], str]:
    """Key by a field of the event."""
    getter = attrgetter(name)

    def key(event: Any, _at: At) -> str:
        return str(getter(event))

    return key


def micros_of(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)


def time_of(micros: int) -> datetime:
    return datetime.fromtimestamp(micros / 1_000_000, UTC)


def _changed(table: Table, row: Row) -> ChangedRow:
    return ChangedRow(str(table.name), AccountId(row["account_id"]), row[_key_name(table)])


@cache
def _key_name(table: Table) -> str:
    return next(iter(table.primary_key)).name


@cache
def _select(table: Table) -> Any:
    return select(table).where(table.c[_key_name(table)].in_(bindparam("keys", expanding=True)))


@cache
def _delete(table: Table) -> Any:
    return delete(table).where(table.c[_key_name(table)] == bindparam("key"))


@cache
def _upsert(table: Table, dialect: Literal["sqlite", "postgresql"]) -> Insert:
    insert = sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
    key = _key_name(table)
    others = {name: insert.excluded[name] for name in table.c.keys() if name != key}  # noqa: SIM118
    return insert.on_conflict_do_update(index_elements=[key], set_=others)


@cache
def _ignore(table: Table, dialect: Literal["sqlite", "postgresql"]) -> Insert:
    insert = sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
    return insert.on_conflict_do_nothing()
