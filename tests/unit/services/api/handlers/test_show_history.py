"""A job's history, a page at a time."""

import pytest

from contracts.subjects import job_subject
from services.api.handlers import show_history
from services.api.handlers.show_history import commits_of
from tests.support import examples
from tests.support.examples import a_job_id
from tests.support.memory_log import MemoryLog
from tests.support.streaming import Projected, played


def test_a_long_history_is_read_in_pages_without_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(show_history, "COMMITS_A_PAGE", 3)

    async def play(world: Projected) -> None:
        log = MemoryLog()
        world.api.log = log  # type: ignore[assignment]
        job = a_job_id()
        await world.asked(job)
        for _ in range(7):
            await world.project(job_subject(job), examples.started(job))
        for _ in range(8):
            await log.append(job_subject(job), examples.commit(examples.started(job)), after=None)
        found = (await world.api.jobs_by_id([job]))[job]
        cursor, pages = None, []
        for _ in range(3):
            commits, cursor = await commits_of(world.api, found, cursor)
            pages.append([recorded.sequence for recorded in commits])
        assert (pages, cursor) == ([[1, 2, 3], [4, 5, 6], [7, 8]], None)

    played(play)
