"""Events of an account, of a type, since a time: all of them, and nothing else is read."""

import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

import read_models
from adapters.changes import Changes
from adapters.database import SqliteDatabase
from adapters.settings import CommonSettings
from application.documents import event_documents
from application.event_log import LogMessage
from cli.connection import Connection
from cli.events import _chosen, _matches, position_at
from contracts.commit import Recorded
from contracts.events import AnyEvent, CreditsGranted, CreditsRevoked
from contracts.ids import AccountId
from contracts.subjects import account_subject
from read_models import positions
from tests.support import examples
from tests.support.examples import at
from tests.support.memory_log import MemoryLog

COMMITS = 250
ACCOUNTS = [AccountId(name) for name in ("often", "often-too", "seldom")]
WEIGHTS = (60, 38, 2)
NOTHING: dict[str, str | None] = dict.fromkeys(
    ("job", "boundary", "boundary_id", "type_", "account")
)


class CountingLog(MemoryLog):
    """Counts what is read of it."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    async def read(self, sequence: int) -> Recorded | None:
        self.reads += 1
        return await super().read(sequence)

    async def follow(self, after: int) -> AsyncIterator[list[LogMessage]]:
        if after >= 0:
            raise AssertionError("the whole log is read")
        yield []


async def filled(log: MemoryLog, database: SqliteDatabase) -> None:
    """Append commits of some accounts by clocks that are wrong by up to 20 s; project them."""
    dice = random.Random(7)
    await database.write(positions.create, "memory")
    batch: list[Recorded] = []
    for number in range(1, COMMITS + 1):
        account = dice.choices(ACCOUNTS, WEIGHTS)[0]
        events: list[AnyEvent] = [CreditsGranted(account_id=account, amount=1, reason="r")]
        if dice.random() < 0.02:
            events.append(CreditsRevoked(account_id=account, amount=1, reason="r"))
        commit = examples.commit(*events, seconds=number + dice.uniform(-20, 20))
        await log.append(account_subject(account), commit, after=None)
        recorded = await MemoryLog.read(log, number)
        assert recorded is not None
        batch.append(recorded)
        if dice.random() < 0.05 or number == COMMITS:
            ready, batch = batch, []
            await database.write(read_models.apply, ready)


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[Connection]:
    log = CountingLog()
    database = SqliteDatabase(f"sqlite:///{tmp_path}/rows.sqlite3", read_only=False)
    await filled(log, database)
    log.reads = 0

    async def position() -> int:
        return COMMITS

    changes = Changes(position)
    nothing: Any = None
    yield Connection(CommonSettings(), nothing, cast(Any, log), database, changes, nothing)
    await database.close()


async def listed(connection: Connection, after: int, **wanted: str | None) -> list[tuple[int, int]]:
    chosen = NOTHING | wanted
    return [
        (row["sequence"], row["index"])
        async for recorded in _chosen(connection, chosen, after)
        for row in event_documents(recorded)
        if _matches(row, chosen)
    ]


async def everything(connection: Connection) -> list[Recorded]:
    log = cast(Any, connection.log)
    found = [entry.recorded() for entry in log.entries()]
    assert len(found) == COMMITS
    return found


@pytest.mark.parametrize(
    "wanted",
    [
        {"account": "seldom"},
        {"account": "often"},
        {"type_": "CreditsRevoked"},
        {"account": "often", "type_": "CreditsRevoked"},
        {"account": "seldom", "type_": "CreditsRevoked"},
        {"account": "nobody"},
        {"type_": "NoSuchEvent"},
    ],
)
@pytest.mark.parametrize("after", [0, 59, 130])
async def test_exactly_what_matches_is_listed_and_read(
    connection: Connection, wanted: dict[str, str | None], after: int
) -> None:
    rows = [row for recorded in await everything(connection) for row in event_documents(recorded)]
    expected = [
        (row["sequence"], row["index"])
        for row in rows
        if row["sequence"] > after and _matches(row, NOTHING | wanted)
    ]
    assert await listed(connection, after, **wanted) == expected
    assert cast(Any, connection.log).reads == len({sequence for sequence, _ in expected})


@pytest.mark.parametrize("seconds", [-100, 0, 5.5, 60, 130, COMMITS, COMMITS + 100])
async def test_a_time_is_the_last_commit_before_any_later_one(
    connection: Connection, seconds: float
) -> None:
    expected = 0
    for recorded in await everything(connection):
        if recorded.commit.at > at(seconds):
            break
        expected = recorded.sequence
    assert await position_at(connection, at(seconds)) == expected
    assert cast(Any, connection.log).reads <= 60
