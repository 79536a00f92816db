"""Sweeps: acts side by side, within limits, each row at its own pace."""

import asyncio
from collections import Counter
from itertools import pairwise

import pytest
from msgspec import Struct

from adapters.sweep import TICK_SECONDS, Pace, Sweep
from domain.turns import Turn
from tests.support.virtual_time import VirtualLoop, run

PACE = Pace(at_once=4, at_once_of_lane=2, act_seconds=5, pause_seconds=1, pause_seconds_max=8)


class Row(Struct, frozen=True):
    key: str
    lane: str


class Table:
    """Rows that are due, taken as the read models take them: what is skipped is left out."""

    def __init__(self, *rows: Row) -> None:
        self.rows = list(rows)
        self.acts: Counter[str] = Counter()
        self.at: list[float] = []
        self.seconds = 0.1
        self.removes = True

    async def take(self, turn: Turn) -> list[Row]:
        found = [r for r in self.rows if r.key not in turn.skip and r.lane not in turn.full]
        return found[: turn.limit]

    async def act(self, row: Row) -> None:
        self.acts[row.key] += 1
        self.at.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self.seconds)
        if self.removes and row in self.rows:
            self.rows.remove(row)

    def sweep(self, pace: Pace = PACE) -> Sweep[Row]:
        return Sweep("test", pace, self.take, self.act)


async def sweep_for(sweep: Sweep[Row], seconds: float) -> None:
    task = asyncio.create_task(sweep.run())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def rows(lane: str, count: int) -> list[Row]:
    return [Row(f"{lane}{number}", lane) for number in range(count)]


def test_a_backlog_is_worked_off_without_waiting_for_the_next_tick() -> None:
    async def play() -> None:
        table = Table(*rows("a", 10), *rows("b", 10))
        await sweep_for(table.sweep(), TICK_SECONDS * 1.5)
        assert not table.rows
        assert set(table.acts.values()) == {1}

    run(play(), VirtualLoop())


def test_rows_of_one_lane_follow_each_other_without_waiting_for_the_next_tick() -> None:
    async def play() -> None:
        table = Table(*rows("a", 12))
        wide = Pace(20, 2, act_seconds=5, pause_seconds=1, pause_seconds_max=8)
        await sweep_for(table.sweep(wide), TICK_SECONDS)
        assert not table.rows

    run(play(), VirtualLoop())


def test_a_lane_that_hangs_holds_up_nobody_else() -> None:
    async def play() -> None:
        table = Table(*rows("slow", 50), *rows("b", 3))

        async def act(row: Row) -> None:
            if row.lane == "slow":
                await asyncio.sleep(3600)
            await table.act(row)

        await sweep_for(Sweep("t", PACE, table.take, act), 2.0)
        assert {row.lane for row in table.rows} == {"slow"}

    run(play(), VirtualLoop())


def test_a_row_that_stays_is_tried_again_later_and_later() -> None:
    async def play() -> None:
        table = Table(Row("a", "a"))
        table.removes = False
        await sweep_for(table.sweep(), 60)
        pauses = [after - before for before, after in pairwise(table.at)]
        assert pauses[0] < 3
        assert pauses[-1] >= PACE.pause_seconds_max
        assert len(table.at) < 12

    run(play(), VirtualLoop())


def test_a_row_that_has_changed_is_not_made_to_wait() -> None:
    async def play() -> None:
        table = Table(Row("a", "a"))
        table.removes = False
        sweep = table.sweep()
        task = asyncio.create_task(sweep.run())
        await asyncio.sleep(20)
        before = len(table.at)
        sweep.changed("a")
        await asyncio.sleep(0.05)
        assert len(table.at) == before + 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(play(), VirtualLoop())


def test_an_act_that_hangs_is_given_up_and_the_row_tried_again() -> None:
    async def play() -> None:
        table = Table(Row("a", "a"))
        table.seconds = 3600
        await sweep_for(table.sweep(), 30)
        assert 1 < table.acts["a"] < 6

    run(play(), VirtualLoop())


def test_never_are_more_acts_under_way_than_may_be() -> None:
    async def play() -> None:
        table, under_way, most = Table(*(Row(str(n), str(n)) for n in range(30))), 0, 0

        async def act(row: Row) -> None:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await table.act(row)
            under_way -= 1

        await sweep_for(Sweep("t", PACE, table.take, act), 5)
        assert (most, table.rows) == (PACE.at_once, [])

    run(play(), VirtualLoop())


def test_a_look_that_fails_cuts_no_act_that_is_under_way() -> None:
    async def play() -> None:
        table = Table(Row("a", "a"))
        table.seconds = 3
        sweep = table.sweep()
        assert not await sweep.once()

        async def fail(_turn: Turn) -> list[Row]:
            raise OSError("the rows are old")

        sweep._take = fail
        with pytest.raises(OSError, match="old"):
            await sweep.run()
        await sweep.until_idle()
        assert table.rows == []

    run(play(), VirtualLoop())
