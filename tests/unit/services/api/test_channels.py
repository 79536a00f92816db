"""Channels: begun once for all, never deaf, and gone with their last reader."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from adapters.database import DatabaseUnavailable
from application.ports import NotThereYet
from contracts.events import CreditsGranted
from contracts.ids import AccountId
from contracts.subjects import account_subject
from services.api.streams import PROGRESS_SECONDS, REREAD_SECONDS
from tests.support.examples import a_job_id
from tests.support.memory import MemoryDatabase
from tests.support.streaming import Projected, opened, played


class SlowDatabase:
    """Each read takes its snapshot and hands it over later, the first one the latest."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database
        self.delays = [1.0, 0.1]

    async def read(self, work: Callable[..., Any], *arguments: Any) -> Any:
        found = self._database.now(work, *arguments)
        await asyncio.sleep(self.delays.pop(0) if self.delays else 0.0)
        return found


def test_clients_that_open_an_accounts_first_streams_at_once_miss_nothing() -> None:
    async def play(world: Projected) -> None:
        world.api.database = cast("Any", SlowDatabase(world.database))
        first = asyncio.create_task(opened(world))
        await asyncio.sleep(0.5)
        second = asyncio.create_task(opened(world))
        await asyncio.sleep(0.2)
        jobs = [a_job_id(), a_job_id()]
        for job in jobs:
            await world.asked(job)
        (_, one), (_, other) = await first, await second
        await asyncio.sleep(1.0)
        for told in (one, other):
            assert [frame.job_id for frame in told if frame.event == "job"] == jobs

    played(play)


def test_a_channel_that_cannot_begin_refuses_all_who_wait_and_leaves_nothing() -> None:
    class AwayDatabase:
        async def read(self, work: Callable[..., Any], *_: Any) -> Any:
            await asyncio.sleep(0.1)
            raise DatabaseUnavailable(repr(work))

    async def play(world: Projected) -> None:
        there, world.api.database = world.api.database, cast("Any", AwayDatabase())
        openings = [asyncio.create_task(opened(world)) for _ in range(2)]
        for opening in openings:
            with pytest.raises(DatabaseUnavailable):
                await opening
        assert not world.streams._channels
        world.api.database = there
        _, told = await opened(world)
        await world.granted()
        await asyncio.sleep(0.1)
        assert len(told) == 1

    played(play)


def test_no_stream_begins_in_the_past_while_rows_are_made_anew() -> None:
    async def play(world: Projected) -> None:
        await world.granted()
        await world.granted()
        world.changes.advance(1)
        world.position = 1
        with pytest.raises(NotThereYet):
            await opened(world)
        assert not world.streams._channels
        world.changes.advance(2)
        await opened(world)

    played(play)


def test_what_failed_on_its_way_to_the_readers_is_looked_at_again() -> None:
    async def play(world: Projected) -> None:
        _, told = await opened(world)
        unseal, fails = world.api.vault.unseal, [True]

        async def unseal_once_the_database_is_back(*sealed: Any) -> bytes:
            if fails.pop() if fails else False:
                raise DatabaseUnavailable("away")
            return await unseal(*sealed)

        world.api.vault.unseal = unseal_once_the_database_is_back  # type: ignore[assignment,method-assign]
        job = a_job_id()
        await world.asked(job)
        await asyncio.sleep(2.0)
        assert [frame.job_id for frame in told if frame.event == "job"] == [job]

    played(play)


def test_a_lost_announcement_is_missed_even_when_no_other_ever_comes() -> None:
    async def play(world: Projected) -> None:
        _, told = await opened(world)
        await world.granted(tell=False)
        await asyncio.sleep(REREAD_SECONDS + PROGRESS_SECONDS + 0.1)
        assert [frame.event for frame in told] == ["credits"]

    played(play)


def test_a_position_that_was_read_meanwhile_hides_no_lost_announcement() -> None:
    async def play(world: Projected) -> None:
        _, told = await opened(world)
        await world.granted(tell=False)
        await world.changes.wait_for(world.position)
        other = AccountId("other")
        event = CreditsGranted(account_id=other, amount=1, reason="r")
        await world.project(account_subject(other), event)
        await asyncio.sleep(0.1)
        assert [frame.event for frame in told] == ["credits"]

    played(play)


def test_a_client_that_goes_before_its_first_frame_leaves_nothing() -> None:
    async def play(world: Projected) -> None:
        reader, _ = await opened(world, listens=False)
        frames = world.streams.frames(reader)
        del frames, reader
        await world.granted()
        await asyncio.sleep(0.1)
        assert not world.streams._channels

    played(play)


def test_nothing_is_kept_of_an_account_that_nobody_follows() -> None:
    async def play(world: Projected) -> None:
        reader, _ = await opened(world, listens=False)
        world.streams.leave(reader)
        await asyncio.sleep(0.1)
        assert not world.streams._channels

    played(play)
