"""Who submits a job: the message that asks for it, or a sweep. Never both, and never nobody."""

import asyncio
from typing import Any

import pytest

from services.dispatcher.handlers.submit_jobs import submit_jobs
from services.dispatcher.handlers.sweep_waiting import submissions
from services.dispatcher.submitting import LATE_SECONDS
from tests.support.dispatching import DispatchingWorld, played


async def sweep(world: DispatchingWorld) -> None:
    world.project()
    sweeping = submissions(world.dispatcher)
    await sweeping.once()
    await sweeping.settled()


def test_of_a_job_whose_message_is_still_to_come_no_sweep_makes_a_second_submission() -> None:
    async def play(world: DispatchingWorld) -> None:
        _, _, first = await world.asked()
        await sweep(world)
        assert world.provider.posts == []
        await submit_jobs(world.dispatcher, first)
        await world.dispatcher.background.drain(10)
        assert len(world.provider.posts) == 1

    played(play)


@pytest.mark.parametrize("message", ["late", "lost"])
def test_a_job_whose_message_is_late_or_lost_is_a_sweeps(message: str) -> None:
    async def play(world: DispatchingWorld) -> None:
        _, _, recorded = await world.asked()
        await asyncio.sleep(LATE_SECONDS + 0.1)
        if message == "late":
            await submit_jobs(world.dispatcher, recorded)
            assert world.dispatcher.has_declined
        assert world.dispatcher.active == set()
        await sweep(world)
        assert len(world.provider.posts) == 1

    played(play)


def test_what_was_begun_while_the_rows_were_read_is_not_begun_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def play(world: DispatchingWorld) -> None:
        known, _, _ = await world.asked()
        world.project()
        world.dispatcher.heard_up_to = known.state.requested_in
        take = world.dispatcher.rows.take_part

        async def slow(*arguments: Any) -> Any:
            rows = await take(*arguments)
            world.dispatcher.begin(known.state.job_id)
            return rows

        monkeypatch.setattr(world.dispatcher.rows, "take_part", slow)
        sweeping = submissions(world.dispatcher)
        await sweeping.once()
        world.dispatcher.end(known.state.job_id)
        await sweeping.settled()
        assert world.provider.posts == []

    played(play)
