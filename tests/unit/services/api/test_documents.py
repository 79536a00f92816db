"""Documents and positions: when to ask again, and which cursors are of this log."""

import asyncio
from typing import Any

import pytest

from contracts.cursor import Cursor
from contracts.subjects import account_subject, job_subject
from domain.refusals import Refused
from services.api.documents import eta_of, poll_after_ms, progress_of
from services.api.frames import Frame, is_after
from tests.support import examples
from tests.support.examples import ACCOUNT, a_job_id
from tests.support.streaming import Projected, played


def test_a_client_is_asked_to_come_again_within_1_to_5_seconds_until_the_job_has_ended() -> None:
    async def play(world: Projected) -> None:
        job = a_job_id()
        await world.asked(job)
        await world.project(job_subject(job), examples.started(job))
        for _ in range(4):
            shown = (await world.api.jobs_by_id([job]))[job]
            assert 1000 <= (poll_after_ms(shown) or 0) <= 5000
            await asyncio.sleep(10)
        await world.project(job_subject(job), examples.failed(job))
        shown = (await world.api.jobs_by_id([job]))[job]
        assert poll_after_ms(shown) is None
        assert eta_of(shown) is None

    played(play)


def test_progress_stands_still_when_the_job_has_ended() -> None:
    async def play(world: Projected) -> None:
        job = a_job_id()
        await world.asked(job)
        await world.project(job_subject(job), examples.started(job))
        await asyncio.sleep(10)
        await world.project(job_subject(job), examples.failed(job))
        shown = (await world.api.jobs_by_id([job]))[job]
        before = progress_of(shown)
        await asyncio.sleep(600)
        assert progress_of(shown) == before < 100

    played(play)


def test_a_cursor_of_this_log_is_its_sequence_and_any_other_is_refused() -> None:
    async def play(world: Projected) -> None:
        assert world.api.sequence_of(world.api.cursor(7)) == 7
        for text in ("another.7.0", "7", "", "memory.x.0"):
            with pytest.raises(Refused) as caught:
                world.api.sequence_of(text)
            assert caught.value.code == "cursor_invalid"

    played(play)


def test_a_read_waits_for_the_accounts_own_writes_and_for_what_it_names() -> None:
    async def play(world: Projected) -> None:
        world.api.note_write(ACCOUNT, 2)
        world.api.note_write(ACCOUNT, 1)  # An earlier write that was answered later.
        reads: list[Any] = [
            asyncio.create_task(world.api.wait_until_current(ACCOUNT, None)),
            asyncio.create_task(world.api.wait_until_current(ACCOUNT, world.api.cursor(3))),
        ]
        done = []
        for _ in range(3):
            event = examples.reserved(a_job_id())
            await world.project(account_subject(ACCOUNT), event)
            await asyncio.sleep(0.1)
            done.append([each.done() for each in reads])
        assert done == [[False, False], [True, False], [True, True]]

    played(play)


@pytest.mark.parametrize(
    ("sequence", "change", "is_news"),
    [(4, 9, False), (5, 2, False), (5, 3, True), (6, 1, True)],
)
def test_a_frame_is_news_after_the_cursors_change(
    sequence: int, change: int, *, is_news: bool
) -> None:
    frame = Frame("job", "", sequence, change, b"", None)
    assert is_after(frame, Cursor("memory", 5, 2)) is is_news


def test_a_cursor_of_a_whole_commit_has_seen_all_its_changes() -> None:
    frame = Frame("job", "", 5, 9, b"", None)
    assert not is_after(frame, Cursor("memory", 5))
