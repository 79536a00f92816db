"""Streams over rows in memory: in order, each change once, and never silence."""

import asyncio

import msgspec
import pytest

from contracts.cursor import Cursor, parse_cursor
from contracts.events import CreditsGranted, JobCompleted, JobDeleted
from contracts.events.account import Role
from contracts.ids import AccountId
from contracts.subjects import account_subject, evidence_subject, job_subject
from domain.refusals import Refused
from services.api import streams as streams_module
from services.api.documents import etag_of, progress_of
from services.api.frames import ROWS_MAX, Frame
from services.api.handlers.callers import Caller
from tests.support import examples
from tests.support.examples import ACCOUNT, a_job_id
from tests.support.streaming import Projected, opened, played


def places(told: list[Frame]) -> list[tuple[int, int]]:
    return [(frame.sequence, frame.change) for frame in told]


def test_what_one_commit_changes_is_told_once_each_in_order_under_its_own_id() -> None:
    async def play(world: Projected) -> None:
        _, told = await opened(world)
        jobs = [a_job_id() for _ in range(3)]
        await world.asked(*jobs)
        await asyncio.sleep(0.1)
        assert [frame.job_id for frame in told if frame.event == "job"] == jobs
        assert [frame.event for frame in told].count("credits") == 1
        assert places(told) == sorted(places(told))
        assert len({frame.cursor for frame in told}) == len(told) == 4

    played(play)


def test_cutting_after_any_frame_and_continuing_tells_the_rest_and_nothing_twice() -> None:
    async def play(world: Projected) -> None:
        _, whole = await opened(world)
        await world.granted()
        await world.asked(*(a_job_id() for _ in range(3)))
        await world.granted()
        await world.asked(a_job_id())
        await asyncio.sleep(0.1)
        newest = {(frame.event, frame.job_id): frame.cursor for frame in whole}
        for cut, seen in enumerate(whole):
            _, rest = await opened(world, parse_cursor(seen.cursor))
            known = {(f.event, f.job_id): f.cursor for f in whole[: cut + 1]}
            missing = {key: cursor for key, cursor in newest.items() if known.get(key) != cursor}
            assert {(frame.event, frame.job_id): frame.cursor for frame in rest} == missing

    played(play)


def test_a_connected_client_misses_nothing_when_an_announcement_is_lost() -> None:
    async def play(world: Projected) -> None:
        _, told = await opened(world)
        job = a_job_id()
        await world.asked(job, tell=False)
        await asyncio.sleep(0.1)
        assert not told
        other = CreditsGranted(account_id=AccountId("other"), amount=1, reason="r")
        await world.project(account_subject(AccountId("other")), other)
        await asyncio.sleep(0.1)
        assert [frame.job_id for frame in told if frame.event == "job"] == [job]

    played(play)


def test_a_reader_that_is_too_slow_gets_a_resync_and_holds_little(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams_module, "QUEUED_BYTES_MAX", 2000)

    async def play(world: Projected) -> None:
        reader, _ = await opened(world, listens=False)
        for _ in range(20):
            await world.asked(a_job_id())
            await asyncio.sleep(0.01)
        assert reader.wants_resync
        assert reader._bytes <= 2000
        frames = world.streams.frames(reader)
        first = await anext(frames)
        assert first is not None
        assert first.event == "resync"
        state = msgspec.json.decode(first.body)
        assert (len(state["jobs"]), state["credits"]["held"]) == (20, 20)
        await world.granted()
        following = await anext(frames)
        assert following is not None
        assert (following.event, following.sequence) == ("credits", 21)

    played(play)


def test_who_missed_more_than_can_be_told_gets_a_resync() -> None:
    async def play(world: Projected) -> None:
        for _ in range(ROWS_MAX // 100 + 1):
            await world.asked(*(a_job_id() for _ in range(100)))
        _, told = await opened(world, Cursor("memory", 0))
        assert [frame.event for frame in told] == ["resync"]

    played(play)


def test_one_jobs_stream_begins_with_its_state_and_ends_after_its_last_frame() -> None:
    async def play(world: Projected) -> None:
        job, other = a_job_id(), a_job_id()
        await world.asked(job, other)
        _, told = await opened(world, job=job)
        assert [frame.job_id for frame in told] == [job]
        await world.project(evidence_subject("submitted"), examples.submitted(other))
        completed = JobCompleted(job_id=job, account_id=ACCOUNT, attempt=1, artifacts=())
        await world.project(job_subject(job), completed)
        await asyncio.sleep(0.1)
        assert [frame.is_last for frame in told] == [False, True]
        await world.granted()
        await asyncio.sleep(0.1)
        assert len(told) == 2

    played(play)


def test_a_deletion_is_told_also_to_who_was_away() -> None:
    async def play(world: Projected) -> None:
        job, kept = a_job_id(), a_job_id()
        await world.asked(job, kept)
        _, told = await opened(world)
        _, of_job = await opened(world, job=job)
        after = Cursor("memory", world.position)
        await world.project(job_subject(job), examples.failed(job))
        await world.project(job_subject(job), JobDeleted(job_id=job, account_id=ACCOUNT, by="t"))
        await asyncio.sleep(0.1)
        _, missed = await opened(world, after)
        for frames in (told, missed):
            gone = [frame for frame in frames if frame.event == "gone"]
            assert [msgspec.json.decode(frame.body) for frame in gone] == [{"id": job}]
            assert parse_cursor(gone[0].cursor).sequence == world.position
        assert "gone" in [frame.event for frame in of_job]
        _, nothing = await opened(world, parse_cursor(missed[-1].cursor))
        assert not nothing

    played(play)


def test_a_resync_holds_nothing_of_a_deleted_job() -> None:
    async def play(world: Projected) -> None:
        job = a_job_id()
        await world.asked(job)
        reader, _ = await opened(world, job=job, listens=False)
        await world.project(job_subject(job), examples.failed(job))
        await world.project(job_subject(job), JobDeleted(job_id=job, account_id=ACCOUNT, by="t"))
        reader.lag()
        told = [frame async for frame in world.streams.frames(reader) if frame is not None]
        assert [frame.event for frame in told] == ["resync"]
        assert msgspec.json.decode(told[0].body)["jobs"] == []

    played(play)


def test_a_retry_is_told_as_a_change_of_the_retried_job_too() -> None:
    async def play(world: Projected) -> None:
        job, retry = a_job_id(), a_job_id()
        await world.asked(job)
        await world.project(job_subject(job), examples.failed(job))
        before = await world.api.jobs_by_id([job])
        _, told = await opened(world)
        request = examples.requested(retry, retry_of=job)
        await world.project(account_subject(ACCOUNT), examples.reserved(retry), request)
        await asyncio.sleep(0.1)
        documents = [msgspec.json.decode(each.body) for each in told if each.event == "job"]
        links = {each["id"]: (each["retry_of"], each["retried_as"]) for each in documents}
        assert links == {job: (None, retry), retry: (job, None)}
        assert len({frame.cursor for frame in told}) == len(told) == 3
        after = await world.api.jobs_by_id([job])
        assert etag_of(world.api, before[job]) != etag_of(world.api, after[job])
        assert progress_of(before[job]) == progress_of(after[job])

    played(play)


def test_progress_is_told_between_changes_under_ids_that_continue_exactly() -> None:
    async def play(world: Projected) -> None:
        job = a_job_id()
        await world.asked(job)
        await world.project(job_subject(job), examples.started(job))
        _, told = await opened(world)
        await asyncio.sleep(20)
        percents = [msgspec.json.decode(frame.body)["progress"] for frame in told]
        assert len(percents) >= 5
        assert percents == sorted(set(percents))
        assert len({frame.cursor for frame in told}) == len(told)
        _, rest = await opened(world, parse_cursor(told[-1].cursor))
        assert not rest

    played(play)


def test_progress_is_told_also_while_other_jobs_change_all_the_time() -> None:
    async def play(world: Projected) -> None:
        job = a_job_id()
        await world.asked(job)
        await world.project(job_subject(job), examples.started(job))
        _, told = await opened(world)
        for _ in range(40):
            await world.granted()
            await asyncio.sleep(0.5)
        assert len([frame for frame in told if frame.job_id == job]) >= 5

    played(play)


def test_a_revoked_token_ends_its_streams_at_once_also_while_the_account_is_busy() -> None:
    async def play(world: Projected) -> None:
        await world.issued("t-1")
        await world.issued("t-2")
        _, told = await opened(world)
        _, others = await opened(world, caller=Caller(ACCOUNT, Role.USER, "t-2"))
        await world.granted()
        await asyncio.sleep(0.1)
        await world.revoked("t-1")
        for _ in range(20):
            await world.granted()
            await asyncio.sleep(0.1)
        assert [frame.event for frame in told] == ["credits"]
        assert len(others) > 20
        assert len(world.streams._channels[ACCOUNT].readers) == 1

    played(play)


def test_a_revocation_whose_announcement_was_lost_ends_streams_within_a_second() -> None:
    async def play(world: Projected) -> None:
        await world.issued()
        await opened(world)
        await world.revoked(tell=False)
        await asyncio.sleep(1.0)
        assert not world.streams._channels

    played(play)


def test_nothing_more_is_told_of_what_waits_for_a_slow_client_whose_token_was_revoked() -> None:
    async def play(world: Projected) -> None:
        await world.issued()
        reader, _ = await opened(world, listens=False)
        for _ in range(5):
            await world.granted()
            await asyncio.sleep(0.01)
        frames = world.streams.frames(reader)
        assert await anext(frames) is not None
        await world.revoked()
        await asyncio.sleep(0.01)
        assert [frame async for frame in frames] == []

    played(play)


def test_an_account_may_have_so_many_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams_module, "READERS_OF_ACCOUNT_MAX", 2)

    async def play(world: Projected) -> None:
        await opened(world)
        await opened(world)
        with pytest.raises(Refused) as caught:
            await opened(world)
        assert caught.value.code == "too_many_streams"

    played(play)
