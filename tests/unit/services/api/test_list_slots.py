"""Lists take a while to make: an account's heap of them is for itself to wait."""

import asyncio
from typing import Any

import pytest

from contracts.cursor import Cursor
from services.api import frames
from services.api.dependencies import LISTS_AT_ONCE
from services.api.documents import job_document
from tests.support.examples import ACCOUNT, OTHER, a_job_id
from tests.support.streaming import Projected, opened, played

JOBS, READERS = 50, 30


def test_a_heap_of_readers_with_much_to_catch_up_lets_others_in_between(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown: list[Any] = []

    async def counted(api: Any, job: Any) -> Any:
        shown.append(job.job_id)
        return await job_document(api, job)

    monkeypatch.setattr(frames, "job_document", counted)

    async def play(world: Projected) -> None:
        await world.granted()
        await world.asked(*(a_job_id() for _ in range(JOBS)))
        heap = [
            asyncio.create_task(opened(world, after=Cursor(world.api.log.epoch, 1)))
            for _ in range(READERS)
        ]
        most, seen = 0, 0
        while len(shown) < JOBS * READERS:
            await asyncio.sleep(0)  # Somebody else's turn.
            most, seen = max(most, len(shown) - seen), len(shown)
        assert most <= LISTS_AT_ONCE
        told = [len(each) for _, each in await asyncio.gather(*heap)]
        assert told == [JOBS + 1] * READERS  # Each job, and the credits.

    played(play)


def test_accounts_do_not_wait_for_each_others_lists() -> None:
    async def play(world: Projected) -> None:
        slots = world.api.list_slots(ACCOUNT)
        for _ in range(LISTS_AT_ONCE):
            await slots.acquire()
        assert world.api.list_slots(ACCOUNT).locked()
        assert not world.api.list_slots(OTHER).locked()

    played(play)
