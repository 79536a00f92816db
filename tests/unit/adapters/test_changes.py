"""Changes: how far the rows are, and what must not be taken back."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from adapters.changes import Changes
from adapters.database import DatabaseUnavailable
from application.ports import NotThereYet
from contracts.announcement import Announcement
from tests.support.virtual_time import VirtualLoop, run


class Rows:
    """A position that can be read, unless the database is away."""

    def __init__(self, at: int) -> None:
        self.at: int | None = at

    async def read(self) -> int:
        if self.at is None:
            raise DatabaseUnavailable("away")
        return self.at


class Nobody:
    async def subscribe(self, _subject: str, cb: Any) -> None:
        del cb


async def started(rows: Rows, floor: int = 0) -> Changes:
    changes = Changes(rows.read)
    await changes.start(cast("Any", Nobody()), floor)
    return changes


async def hear(changes: Changes, previous: int, position: int) -> None:
    told = msgspec.json.encode(Announcement("e", previous, position))
    await changes._receive(cast("Any", SimpleNamespace(data=told)))


def test_a_process_that_starts_knows_where_the_rows_are() -> None:
    async def play() -> None:
        assert (await started(Rows(7))).position == 7

    run(play(), VirtualLoop())


def test_a_database_that_is_away_at_the_start_is_looked_at_again() -> None:
    async def play() -> None:
        rows = Rows(7)
        rows.at = None
        changes = await started(rows)
        assert changes.position == 0
        rows.at = 7
        await changes.wait_for(7)

    run(play(), VirtualLoop())


def test_what_another_process_may_have_answered_from_is_waited_for() -> None:
    async def play() -> None:
        changes = await started(Rows(7), floor=9)
        assert changes.needed == 9
        with pytest.raises(NotThereYet):
            await changes.wait_for(changes.needed)

    run(play(), VirtualLoop())


def test_rows_that_are_made_anew_are_waited_for_and_the_position_never_goes_back() -> None:
    async def play() -> None:
        rows = Rows(100)
        changes = await started(rows)
        rows.at = 0
        await hear(changes, 0, 0)
        assert (changes.position, changes.rows_at, changes.needed) == (100, 0, 100)
        with pytest.raises(NotThereYet):
            await changes.wait_for(changes.needed, 1)
        waiting = asyncio.create_task(changes.wait_for(changes.needed))
        await asyncio.sleep(0)
        await hear(changes, 0, 120)
        await waiting
        assert changes.position == 120

    run(play(), VirtualLoop())
