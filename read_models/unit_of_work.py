"""A batch's rows in memory: loaded once, folded in Python, written once."""

from collections.abc import Callable, Iterable
from functools import cache
from operator import attrgetter, itemgetter
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Dialect, Table, bindparam, delete
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import Insert

from contracts.announcement import ChangedRow
from contracts.commit import Recorded
from contracts.events import Event
from contracts.ids import AccountId
from contracts.job_state import JobState
from contracts.run_state import RunState
from domain.times import micros_of

KEYS_A_SELECT = 500
STREAMED_TABLES = 4
# Announcements name changed rows of these tables.
TABLES_WITH_READERS = ("jobs", "accounts", "access_tokens", "runs", "deliveries")

Row = dict[str, Any]
_keys = msgspec.json.Encoder()


class At(Struct, frozen=True):
    """Where and when a fact stands in the log."""

    sequence: int
    index: int
    micros: int
    actor: str
    boundary: str
    job: JobState | None = None  # The carried state, which is that after the commit.
    run: RunState | None = None

    @classmethod
    def of(cls, recorded: Recorded, index: int) -> "At":
        commit = recorded.commit
        boundary = recorded.subject.split(".", 2)[1]
        at, actor = micros_of(commit.at), commit.actor_of(index)
        return cls(recorded.sequence, index, at, actor, boundary, commit.job, commit.run)

    def change(self, rank: int) -> int:
        """Return what tells this change apart from the others of its commit; `rank` is the
        table's own number among those that are streamed.
        """
        return 1 + self.index * STREAMED_TABLES + rank


class Model(Struct, frozen=True):
    """A read model keyed by one column: which events it folds, and how. An event whose key is
    None is about something else. `also` gives the key of one more row, which may depend on those
    that are loaded by then.
    """

    table: Table
    events: frozenset[type[Event]]
    key: Callable[[Any, At], str | None]
    project: Callable[[Any, At, "UnitOfWork"], None]
    also: Callable[[Any, "UnitOfWork"], str | None] | None = None


class UnitOfWork:
    """Rows by table and key. `None` stands for a row that is to be deleted or is not there."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._wanted: dict[Table, set[str]] = {}
        self._rows: dict[Table, dict[str, Row | None]] = {}
        self._dirty: dict[Table, set[str]] = {}
        self._inserts: dict[Table, dict[Any, Row]] = {}

    def want(self, table: Table, key: str) -> None:
        self._wanted.setdefault(table, set()).add(key)

    def load(self) -> None:
        """Load what is wanted and not loaded yet. What has changed since must not be loaded again:
        all of it is loaded before the first change.
        """
        wanted, self._wanted = self._wanted, {}
        for table, keys in wanted.items():
            rows = self._rows.setdefault(table, {})
            names, key_name = table.columns.keys(), _key_name(table)
            ordered = sorted(keys - rows.keys())
            for start in range(0, len(ordered), KEYS_A_SELECT):
                for found in self._select(table, ordered[start : start + KEYS_A_SELECT]):
                    row = dict(zip(names, found, strict=True))
                    rows[row[key_name]] = row

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
        """Add a row that never changes; the first one under its key stays."""
        self._inserts.setdefault(table, {}).setdefault(_keys_of(table)(row), row)

    def flush(self) -> tuple[ChangedRow, ...]:
        changed: list[ChangedRow] = []
        for table, keys in self._dirty.items():
            rows = self._rows[table]
            kept = [row for key in keys if (row := rows[key]) is not None]
            gone = [{"key": key} for key in keys if rows[key] is None]
            if kept:
                self._write(_upsert, table, kept)
            if gone:
                self._connection.execute(_delete(table), gone)
            if table.name in TABLES_WITH_READERS:
                changed += [_changed(table, row) for row in kept]
        for table, rows_to_insert in self._inserts.items():
            self._write(_ignore, table, rows_to_insert.values())
        return tuple(changed)

    def _select(self, table: Table, keys: list[str]) -> Iterable[Any]:
        """Return rows as the driver has them; the keys are one parameter, however many there are:
        what SQLAlchemy does to spell them out would be a third of what reading costs.
        """
        if self._connection.dialect.name == "sqlite":
            return self._connection.exec_driver_sql(
                _selecting(table, "(SELECT value FROM json_each(?))"), (_keys.encode(keys),)
            )
        return self._connection.exec_driver_sql(
            _selecting(table, "(SELECT unnest($1::text[]))"), (keys,)
        )

    def _write(self, make: "Make", table: Table, rows: Iterable[Row]) -> None:
        """Hand the rows to the driver as they are: what SQLAlchemy does for each of them is a
        third of what writing them costs, and their types need no conversion.
        """
        sql, values_of = _prepared(make, table, self._connection.dialect)
        self._connection.exec_driver_sql(sql, [values_of(row) for row in rows])


def key_by(name: str) -> Callable[[Any, At], str]:
    """Key by a field of the event."""
    getter = attrgetter(name)

    def key(event: Any, _at: At) -> str:
        return str(getter(event))

    return key


def _changed(table: Table, row: Row) -> ChangedRow:
    return ChangedRow(str(table.name), AccountId(row["account_id"]), row[_key_name(table)])


@cache
def _key_name(table: Table) -> str:
    return next(iter(table.primary_key)).name


@cache
def _selecting(table: Table, keys: str) -> str:
    columns = ", ".join(f'"{name}"' for name in table.columns.keys())  # noqa: SIM118
    return f'SELECT {columns} FROM "{table.name}" WHERE "{_key_name(table)}" IN {keys}'  # noqa: S608


@cache
def _delete(table: Table) -> Any:
    return delete(table).where(table.c[_key_name(table)] == bindparam("key"))


@cache
def _keys_of(table: Table) -> Callable[[Row], Any]:
    return itemgetter(*(column.name for column in table.primary_key))


Make = Callable[[Table, str], Insert]


@cache
def _prepared(
    make: Make, table: Table, dialect: Dialect
) -> tuple[str, Callable[[Row], tuple[Any, ...]]]:
    """Return the statement in the driver's own form, and what puts a row's values in its order."""
    names = [column.name for column in table.columns]
    compiled: Any = make(table, dialect.name).compile(dialect=dialect, column_keys=names)
    return str(compiled), itemgetter(*compiled.positiontup)


def _upsert(table: Table, dialect: str) -> Insert:
    insert = sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
    key = _key_name(table)
    others = {name: insert.excluded[name] for name in table.c.keys() if name != key}  # noqa: SIM118
    return insert.on_conflict_do_update(index_elements=[key], set_=others)


def _ignore(table: Table, dialect: str) -> Insert:
    insert = sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
    return insert.on_conflict_do_nothing()
