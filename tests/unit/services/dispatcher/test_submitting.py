"""Who submits a job: the message that asks for it, or a sweep. Never both, and never nobody."""

import asyncio
from typing import Any

import pytest
from msgspec import structs

from adapters.fresh_rows import FreshRows
from application.ports import NotThereYet
from domain.retry import LATE_SECONDS
from services.dispatcher.handlers.submit_jobs import submit_jobs
from services.dispatcher.handlers.sweep_waiting import submissions
from services.dispatcher.submitting import submit
from tests.support.dispatching import DispatchingWorld, played


async def sweep(world: DispatchingWorld) -> None:
    world.project()
    sweeping = submissions(world.dispatcher)
    await sweeping.once()
    await sweeping.until_idle()


def test_of_a_job_whose_message_is_still_to_come_no_sweep_makes_a_second_submission() -> None:
    async def play(world: DispatchingWorld) -> None:
        _, _, first = await world.asked()
        await sweep(world)
        assert world.provider.posts == []
        await submit_jobs(world.dispatcher, first)
        await world.dispatcher.background.drain(10)
        assert len(world.provider.posts) == 1

    played(play)


def test_a_job_whose_message_is_lost_is_a_sweeps() -> None:
    async def play(world: DispatchingWorld) -> None:
        await world.asked()
        await asyncio.sleep(LATE_SECONDS + 0.1)
        await sweep(world)
        assert len(world.provider.posts) == 1

    played(play)


def test_a_message_that_is_late_needs_no_row() -> None:
    """While the projector stands still no sweep would find its job."""

    async def play(world: DispatchingWorld) -> None:
        _, _, recorded = await world.asked()
        await asyncio.sleep(LATE_SECONDS + 0.1)
        await submit_jobs(world.dispatcher, recorded)
        await world.dispatcher.background.drain(10)
        assert len(world.provider.posts) == 1

    played(play)


def test_a_message_that_comes_after_the_sweep_prepares_nothing() -> None:
    async def play(world: DispatchingWorld) -> None:
        _, _, recorded = await world.asked()
        await asyncio.sleep(LATE_SECONDS + 0.1)
        await sweep(world)
        await submit_jobs(world.dispatcher, recorded)
        assert world.dispatcher.active == set()
        assert len(world.provider.posts) == 1

    played(play)


def test_what_is_begun_and_ends_while_the_room_is_counted_is_counted() -> None:
    async def play(world: DispatchingWorld) -> None:
        _, _, first = await world.asked()
        looking = asyncio.create_task(submissions(world.dispatcher).once())
        await asyncio.sleep(0.05)  # It has asked for the log's end, and waits for the rows.
        await submit_jobs(world.dispatcher, first)
        await world.dispatcher.background.drain(10)
        world.project(up_to=first.sequence)
        await looking
        _, _, second = await world.asked()
        await submit_jobs(world.dispatcher, second)
        await world.dispatcher.background.drain(10)
        assert len(world.provider.posts) == 1

    played(play, provider_concurrency_max=1)


def test_late_messages_that_come_together_take_no_more_than_the_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def play(world: DispatchingWorld) -> None:
        messages = [(await world.asked())[2] for _ in range(5)]
        await asyncio.sleep(LATE_SECONDS + 0.1)
        load = world.dispatcher.jobs.load

        async def slow(*arguments: Any) -> Any:
            await asyncio.sleep(0.1)
            return await load(*arguments)

        monkeypatch.setattr(world.dispatcher.jobs, "load", slow)
        await asyncio.gather(*(submit_jobs(world.dispatcher, each) for each in messages))
        await world.dispatcher.background.drain(10)
        assert len(world.provider.posts) == 1
        assert world.dispatcher.has_declined

    played(play, provider_concurrency_max=1)


def test_a_job_that_another_one_has_is_not_failed_for_what_is_found_here() -> None:
    async def play(world: DispatchingWorld) -> None:
        loaded, work, _ = await world.asked()
        await submit(world.dispatcher, loaded, work)
        await submit(world.dispatcher, loaded, structs.replace(work, kind="gone"))
        assert world.told(loaded.state.job_id) == ["SubmissionStarted", "JobSubmitted"]

    played(play)


@pytest.mark.parametrize("room", [1, 3])
def test_the_room_holds_while_the_rows_are_behind(room: int) -> None:
    async def play(world: DispatchingWorld) -> None:
        for _ in range(8):
            _, _, recorded = await world.asked()
            world.dispatcher.heard_up_to = recorded.sequence
        world.project()
        sweeping = submissions(world.dispatcher)
        await sweeping.once()
        await sweeping.until_idle()
        assert len(world.provider.posts) == room
        with pytest.raises(NotThereYet):  # The rows know nothing of the POSTs yet.
            await sweeping.once()
        await sweeping.until_idle()
        assert len(world.provider.posts) == room

    played(play, provider_concurrency_max=room)


def test_what_was_begun_while_the_rows_were_read_is_not_begun_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def play(world: DispatchingWorld) -> None:
        loaded, _, _ = await world.asked()
        world.project()
        world.dispatcher.heard_up_to = loaded.state.requested_sequence
        take = world.dispatcher.rows.take_part

        async def slow(_rows: FreshRows, *arguments: Any) -> Any:
            rows = await take(*arguments)
            world.dispatcher.begin_submission(loaded.state.job_id)
            return rows

        monkeypatch.setattr(FreshRows, "take_part", slow)
        sweeping = submissions(world.dispatcher)
        await sweeping.once()
        world.dispatcher.end_submission(loaded.state.job_id)
        await sweeping.until_idle()
        assert world.provider.posts == []

    played(play)
