"""Waiting for a world: as long as something moves, and no longer."""

import asyncio
from pathlib import Path

import pytest

from cli import readiness
from cli.readiness import NotReady, while_progressing
from cli.supervisor import NeverUp, Supervisor


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "STALLED_SECONDS_MAX", 0.3)
    for name, seconds in {"POLL": 0.01, "PROGRESS": 0.02, "REPORT": 0.05}.items():
        monkeypatch.setattr(readiness, f"{name}_SECONDS", seconds)


async def for_ever() -> None:
    await asyncio.Event().wait()


async def test_it_waits_as_long_as_it_moves_and_says_how_far_it_is(tmp_path: Path) -> None:
    told: list[str] = []
    position = 0

    async def moving() -> str:
        nonlocal position
        position += 1
        return f"the read models are at {position} of 1000"

    async def work() -> str:
        while position < 40:  # Several times as long as it would stand still.
            await asyncio.sleep(0.01)
        return "ready"

    supervisor = Supervisor(told.append, tmp_path)
    assert await while_progressing(work(), moving, supervisor, told.append) == "ready"
    assert any(line.startswith("the read models are at") for line in told)
    await supervisor.stop()


async def test_it_gives_up_when_nothing_moves_and_says_what_stood_still(tmp_path: Path) -> None:
    async def still() -> str:
        return "the read models are at 5 of 1000"

    supervisor = Supervisor(print, tmp_path)
    with pytest.raises(NotReady, match=r"nothing has moved .* at 5 of 1000"):
        await while_progressing(for_ever(), still, supervisor, print)
    await supervisor.stop()


async def test_it_does_not_wait_for_a_process_that_never_comes_up(tmp_path: Path) -> None:
    async def still() -> str:
        return "still"

    supervisor = Supervisor(print, tmp_path)
    supervisor.failure = "broker does not come up"
    with pytest.raises(NeverUp):
        await while_progressing(for_ever(), still, supervisor, print)
    await supervisor.stop()
