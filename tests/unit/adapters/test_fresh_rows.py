"""Fresh rows: nothing is acted on that is older than the log."""

import asyncio
from typing import Any, cast

import msgspec
import pytest
from msgspec import Struct, structs
from nats.aio.client import Client
from nats.aio.msg import Msg
from sqlalchemy import Connection

from adapters.changes import Changes
from adapters.fresh_rows import FreshRows
from adapters.peers import Peers
from adapters.sweep import Pace
from application.ports import NotThereYet
from contracts.subjects import account_subject
from domain.turns import Turn
from read_models import positions
from tests.support.examples import ACCOUNT, a_job_id, commit, requested
from tests.support.memory import MemoryDatabase
from tests.support.memory_log import MemoryLog
from tests.support.virtual_time import VirtualLoop, run

LIMIT = 8


class Row(Struct, frozen=True, order=True):
    key: str
    lane: str = "one"


ROWS = [Row(f"row-{number}") for number in range(200)]


class World:
    def __init__(self, peers: Peers | None = None) -> None:
        self.log, self.database = MemoryLog(), MemoryDatabase()
        self.database.now(lambda connection: positions.create(connection, "memory"))
        peers = peers or Peers("dispatcher", None)
        changes = Changes(self._position)
        self.rows = FreshRows(self.log, changes, self.database, positions.read, peers)
        self.looks = 0
        self.found = [Row("row")]

    async def _position(self) -> int:
        return self.database.now(positions.read)

    def look(self, _connection: Connection, _turn: Turn) -> list[Row]:
        self.looks += 1
        return self.found

    async def append(self) -> None:
        await self.log.append(account_subject(ACCOUNT), commit(requested(a_job_id())), after=None)

    def project(self, previous: int, position: int) -> None:
        self.database.now(lambda each: positions.advance(each, previous, position, "c"))


def test_rows_that_do_not_follow_the_log_are_not_given_out() -> None:
    async def play() -> None:
        world = World()
        await world.append()
        with pytest.raises(NotThereYet):
            await world.rows.take(world.look, Turn(until=0, limit=1))
        with pytest.raises(NotThereYet):
            await world.rows.read(lambda _: "row")

    run(play(), VirtualLoop())


def test_rows_are_read_again_once_they_have_reached_the_logs_end() -> None:
    async def play() -> None:
        world = World()
        await world.append()
        taking = asyncio.create_task(world.rows.take(world.look, Turn(until=0, limit=1)))
        await asyncio.sleep(0.5)
        world.found = []  # What had to be done is done: the old row is gone.
        world.project(0, 1)
        assert await taking == []
        assert world.looks == 2

    run(play(), VirtualLoop())


def test_where_nothing_waits_the_log_is_not_asked() -> None:
    async def play() -> None:
        world = World()
        world.log = world.rows.log = cast("Any", None)
        world.found = []
        assert await world.rows.take(world.look, Turn(until=0, limit=1)) == []

    run(play(), VirtualLoop())


def test_rows_that_went_back_unannounced_are_not_acted_on() -> None:
    async def play() -> None:
        world = World()
        for _ in range(5):
            await world.append()
        world.project(0, 5)
        assert await world.rows.read(positions.read) == 5
        world.database.now(lambda each: positions.advance(each, 5, 3))  # Made anew, unannounced.
        with pytest.raises(NotThereYet):
            await world.rows.read(positions.read)
        world.project(3, 5)
        assert await world.rows.read(positions.read) == 5

    run(play(), VirtualLoop())


async def two() -> tuple[Peers, Peers]:
    mine, other = Peers("dispatcher", None), Peers("dispatcher", None)
    for listener, speaker in ((mine, other), (other, mine)):
        await listener._hear(Msg(Client(), data=msgspec.json.encode(speaker.name)))
    return mine, other


def test_what_a_peer_has_left_does_not_hide_ones_own_rows() -> None:
    async def play() -> None:
        mine, other = await two()
        theirs = [row for row in ROWS if other.is_mine(row.key)][:LIMIT]
        own = [row for row in ROWS if mine.is_mine(row.key)][:LIMIT]
        waiting = theirs + own  # The peer's rows are the oldest.

        def due(_connection: Connection, turn: Turn) -> list[Row]:
            turn.after = "the last lane"
            return waiting[: turn.limit]

        turn = Turn(until=0, limit=LIMIT)
        assert await World(mine).rows.take_part(due, turn) == own
        assert turn.after == "the last lane"

    run(play(), VirtualLoop())


def test_a_lane_that_was_left_out_is_the_next_one_to_be_served() -> None:
    async def play() -> None:
        mine, _ = await two()
        own = [row for row in ROWS if mine.is_mine(row.key)]
        waiting = [structs.replace(own[0], lane="big"), structs.replace(own[1], lane="small")]

        def due(_connection: Connection, turn: Turn) -> list[Row]:
            behind = [row for row in waiting if row.lane > turn.after]
            found = [*behind, *(row for row in waiting if row not in behind)][: turn.limit]
            turn.after = found[-1].lane
            return found

        turn, rows = Turn(until=0, limit=1), World(mine).rows
        taken = [await rows.take_part(due, turn) for _ in range(2)]
        assert taken == [waiting[:1], waiting[1:]]

    run(play(), VirtualLoop())


def test_the_oldest_rows_that_fill_a_turn_do_not_begin_the_turns_anew() -> None:
    async def play() -> None:
        mine, _ = await two()
        own = [row for row in ROWS if mine.is_mine(row.key)]
        small = [structs.replace(own[0], lane="b"), structs.replace(own[1], lane="c")]
        heap = [structs.replace(row, lane="a") for row in own[2:8]]

        def due(_connection: Connection, turn: Turn) -> list[Row]:
            turn.after = "c"  # One of each lane, then the oldest, which are all of one heap.
            return [heap[0], *small, *heap[1:]][: turn.limit]

        turn = Turn(until=0, limit=4)
        assert len(await World(mine).rows.take_part(due, turn)) == 4
        assert turn.after == "c"

    run(play(), VirtualLoop())


def test_two_processes_take_every_row_once_and_no_more_than_they_asked_for() -> None:
    async def play() -> None:
        peers, waiting = await two(), list(ROWS)

        def due(_connection: Connection, turn: Turn) -> list[Row]:
            return waiting[: turn.limit]

        rows, whole = [World(each).rows for each in peers], Turn(until=0, limit=len(ROWS))
        parts = [await each.take_part(due, whole) for each in rows]
        assert sorted(parts[0] + parts[1]) == sorted(ROWS)
        waiting[:] = parts[0]
        some = await rows[0].take_part(due, Turn(until=0, limit=LIMIT))
        assert some == parts[0][:LIMIT]
        assert await rows[0].take_part(due, Turn(until=0, limit=0)) == []

    run(play(), VirtualLoop())


def test_a_peers_heap_that_stays_hides_nobodys_rows_behind_it() -> None:
    async def play() -> None:
        mine, other = await two()
        looked_at = set[Row]()
        rows = [Row(f"job-{number}") for number in range(2000)]
        heap = [row for row in rows if other.is_mine(row.key)]
        own = [row for row in rows if mine.is_mine(row.key)][:20]
        waiting = heap + own

        def due(_connection: Connection, turn: Turn) -> list[Row]:
            assert turn.limit <= 2 * 32  # Asked for more, the read model gives no turns by lane.
            return [row for row in waiting if row.key not in turn.skip][: turn.limit]

        async def act(row: Row) -> None:
            looked_at.add(row)  # The provider is not done: the row stays.

        pace = Pace(32, 32, act_seconds=60, pause_seconds=5, pause_seconds_max=20)
        sweep = World(mine).rows.sweep("t", pace, due, act)
        sweeping = asyncio.create_task(sweep.run())
        await asyncio.sleep(2)  # Peers are heard of for longer than that.
        sweeping.cancel()
        assert len(heap) > 10 * 2 * 32
        assert looked_at == set(own)

    run(play(), VirtualLoop())
