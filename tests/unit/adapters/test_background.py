"""Background work: loops that fail are told and begun again; none ends its process."""

import asyncio
from itertools import pairwise

from adapters.background import HEALTHY_SECONDS, PAUSE_SECONDS_MAX, Background
from tests.support.virtual_time import VirtualLoop, run


def test_a_loop_that_fails_is_named_and_begun_again_with_growing_pauses() -> None:
    async def play() -> None:
        background, began_at = Background(), list[float]()
        clock = asyncio.get_running_loop().time

        async def work() -> None:
            began_at.append(clock())
            raise ValueError("no")

        background.keep("loop", work)
        await asyncio.sleep(60)
        assert background.troubles == ("loop fails: ValueError: no",)
        pauses = [after - before for before, after in pairwise(began_at)]
        assert pauses == sorted(pauses)
        assert max(pauses) <= PAUSE_SECONDS_MAX
        await background.end_loops()

    run(play(), VirtualLoop())


def test_a_loop_that_ends_by_itself_is_a_trouble_too() -> None:
    async def play() -> None:
        background = Background()
        background.keep("loop", lambda: asyncio.sleep(0))
        await asyncio.sleep(1)
        assert background.troubles == ("loop fails: it ended by itself",)
        await background.end_loops()

    run(play(), VirtualLoop())


def test_a_loop_that_runs_again_is_no_trouble_any_more() -> None:
    async def play() -> None:
        background, times = Background(), list[int]()

        async def work() -> None:
            times.append(1)
            if len(times) < 3:
                raise OSError("away")
            await asyncio.sleep(3600)

        background.keep("loop", work)
        await asyncio.sleep(1)
        assert background.troubles
        await asyncio.sleep(5 + HEALTHY_SECONDS)
        assert not background.troubles
        await background.end_loops()

    run(play(), VirtualLoop())


def test_what_is_repeated_heals_with_its_first_success() -> None:
    async def play() -> None:
        background, times = Background(), list[int]()

        async def work() -> None:
            times.append(1)
            if len(times) == 1:
                raise OSError("away")

        background.repeat("look", work, 1.0)
        await asyncio.sleep(0.1)
        assert background.troubles
        await asyncio.sleep(1)
        assert not background.troubles
        await asyncio.sleep(5)
        assert len(times) >= 5
        await background.end_loops()

    run(play(), VirtualLoop())


def test_what_was_spawned_comes_to_its_end_before_a_shutdown_goes_on() -> None:
    async def play() -> None:
        background, done = Background(), list[str]()

        async def work(name: str, seconds: float) -> None:
            await asyncio.sleep(seconds)
            done.append(name)

        background.spawn("short", work("short", 5))
        background.spawn("endless", work("endless", 10_000))
        background.spawn("broken", _broken())
        await background.drain(10)
        assert done == ["short"]
        assert asyncio.get_running_loop().time() == 10

    run(play(), VirtualLoop())


async def _broken() -> None:
    raise KeyError("nobody waits for this")


def test_after_minutes_of_trouble_a_loop_is_back_within_seconds() -> None:
    async def play() -> None:
        background, done_at = Background(), list[float]()
        clock = asyncio.get_running_loop().time

        async def work() -> None:
            if clock() < 300:
                raise OSError("away")
            done_at.append(clock())

        background.repeat("tell", work, 1.0)
        await asyncio.sleep(400)
        assert done_at[0] < 304
        await background.end_loops()

    run(play(), VirtualLoop())
