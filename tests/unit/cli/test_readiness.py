"""Waiting for a world: as long as something moves, and no longer. In virtual time."""

import asyncio
from pathlib import Path

import pytest

from cli.readiness import PROGRESS_SECONDS, STALLED_SECONDS_MAX, NotReady, while_progressing
from cli.supervisor import NeverUp, Supervisor
from tests.support.virtual_time import VirtualLoop, run


async def for_ever() -> None:
    await asyncio.Event().wait()


def test_it_waits_as_long_as_it_moves_and_says_how_far_it_is(tmp_path: Path) -> None:
    lines: list[str] = []
    position = 0

    async def moving() -> str:
        nonlocal position
        position += 1
        return f"the read models are at {position} of 1000"

    async def work() -> str:
        await asyncio.sleep(3 * STALLED_SECONDS_MAX)
        return "ready"

    async def play() -> None:
        supervisor = Supervisor(lines.append, tmp_path)
        assert await while_progressing(work(), moving, supervisor, lines.append) == "ready"
        await supervisor.stop()

    run(play(), VirtualLoop())
    assert position > 2 * STALLED_SECONDS_MAX / PROGRESS_SECONDS
    assert any(line.startswith("the read models are at") for line in lines)


def test_it_gives_up_when_nothing_moves_and_says_what_stood_still(tmp_path: Path) -> None:
    async def still() -> str:
        return "the read models are at 5 of 1000"

    async def play() -> None:
        supervisor = Supervisor(print, tmp_path)
        with pytest.raises(NotReady, match=r"nothing has moved .* at 5 of 1000"):
            await while_progressing(for_ever(), still, supervisor, print)
        seconds = asyncio.get_running_loop().time()
        assert STALLED_SECONDS_MAX < seconds < STALLED_SECONDS_MAX + 2 * PROGRESS_SECONDS + 1
        await supervisor.stop()

    run(play(), VirtualLoop())


def test_it_does_not_wait_for_a_process_that_never_comes_up(tmp_path: Path) -> None:
    async def still() -> str:
        return "still"

    async def play() -> None:
        supervisor = Supervisor(print, tmp_path)
        supervisor.failure = "broker does not come up"
        with pytest.raises(NeverUp):
            await while_progressing(for_ever(), still, supervisor, print)
        await supervisor.stop()

    run(play(), VirtualLoop())
