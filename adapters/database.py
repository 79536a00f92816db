"""The database of the read models: an SQLite file or PostgreSQL, used in the same way."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

T = TypeVar("T")
P = ParamSpec("P")
Work = Callable[Concatenate[Connection, P], T]

BUSY_SECONDS = 2.0
_VALUE_CLASSES = {"22", "23"}  # SQLSTATE: data exception, integrity constraint violation.


class DatabaseUnavailable(Exception):
    """The database cannot be reached, is locked, or has no tables yet."""


class NeverTaken(Exception):
    """The database will never take a value, so its writer is stuck and has to report it. The
    message names the constraint and its place, never a value.
    """


class Database(Protocol):
    """`work` is plain synchronous SQL on a connection, in one transaction and one snapshot."""

    async def read(self, work: Work[P, T], *arguments: P.args, **named: P.kwargs) -> T: ...

    async def write(self, work: Work[P, T], *arguments: P.args, **named: P.kwargs) -> T: ...

    async def close(self) -> None: ...


def open_database(url: str, *, read_only: bool) -> Database:
    """Open `sqlite:///path` or `postgresql+asyncpg://…`."""
    if url.startswith("sqlite:"):
        return SqliteDatabase(url, read_only=read_only)
    return PostgresDatabase(url, read_only=read_only)


class SqliteDatabase:
    """Runs in the event loop: a read takes about 35 µs, a thread three times as much
    (docs/decisions/0004). In WAL mode readers never wait for the one writer. The one connection
    stays open: to take it from a pool and give it back costs as much as a read.
    """

    def __init__(self, url: str, *, read_only: bool) -> None:
        path = url.removeprefix("sqlite:///")
        if not read_only:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        query = {"mode": "ro" if read_only else "rwc", "uri": "true"}
        # Quoted: in SQLite's own URLs a folder's `?`, `#` and `%` would mean something.
        where = URL.create("sqlite", database=f"file:{quote(path)}", query=query)
        self._engine: Engine = create_engine(
            where,
            connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
            poolclass=NullPool,
            hide_parameters=True,
        )
        event.listen(self._engine, "connect", _prepare_reader if read_only else _prepare_writer)
        event.listen(self._engine, "begin", _begin_read if read_only else _begin_write)
        self._connection: Connection | None = None

    async def read(self, work: Work[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        try:
            with self._connected() as connection:
                return work(connection, *arguments, **named)
        except DBAPIError as error:
            raise DatabaseUnavailable(str(error.orig)) from None

    async def write(self, work: Work[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        try:
            with self._connected() as connection:
                found = work(connection, *arguments, **named)
                connection.commit()
                return found
        except DBAPIError as error:
            raise _error_of(error) from None

    async def close(self) -> None:
        self._forget()

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        """Yield the connection; after any error the next call gets a new one."""
        if self._connection is None:
            self._connection = self._engine.connect()
        try:
            yield self._connection
            self._connection.rollback()
        except BaseException:
            self._forget()
            raise

    def _forget(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _begin_read(connection: Connection) -> None:
    """Begin at the driver, where it cannot fail: SQLAlchemy takes a sixth of a read's time."""
    driver: Any = connection.connection.driver_connection
    driver.execute("BEGIN")


def _begin_write(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _error_of(error: DBAPIError) -> Exception:
    """Distinguish a database that is away from a value that it will never take. The message has
    neither SQL nor values: PostgreSQL puts the value itself into its message.
    """
    state = str(getattr(error.orig, "sqlstate", None) or "")
    if not isinstance(error, IntegrityError | DataError) and state[:2] not in _VALUE_CLASSES:
        return DatabaseUnavailable(str(error.orig))
    cause = getattr(error.orig, "__cause__", None)
    if cause is None:
        return NeverTaken(str(error.orig))  # SQLite names the constraint and the columns.
    places = ("table_name", "column_name", "constraint_name")
    found = [str(name) for place in places if (name := getattr(cause, place, None))]
    return NeverTaken(" ".join((type(cause).__name__, state, *found)))


def _prepare_reader(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # BEGIN is sent by _begin_read: a read is a snapshot.


def _prepare_writer(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    # NORMAL may lose the last transactions in a power cut, position and rows together: they are
    # made again from the log.
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "journal_size_limit=67108864"):
        connection.execute(f"PRAGMA {pragma}")


class PostgresDatabase:
    """Through asyncpg; reads are repeatable-read snapshots."""

    def __init__(self, url: str, *, read_only: bool) -> None:
        isolation = "REPEATABLE READ" if read_only else "READ COMMITTED"
        self._engine: AsyncEngine = create_async_engine(
            url,
            isolation_level=isolation,
            pool_size=10,
            pool_timeout=BUSY_SECONDS,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args={"timeout": BUSY_SECONDS, "command_timeout": 30},
        )

    async def read(self, work: Work[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        try:
            async with self._engine.begin() as connection:
                return await connection.run_sync(work, *arguments, **named)
        except DBAPIError as error:
            raise _error_of(error) from None
        except (PoolTimeoutError, OSError, TimeoutError) as error:
            raise DatabaseUnavailable(str(error)) from error

    write = read  # Each is one transaction.

    async def close(self) -> None:
        await self._engine.dispose()
