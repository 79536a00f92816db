"""Streams over rows in memory: in order, each change once, and never silence."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import msgspec
import pytest

import read_models
from adapters.changes import Changes
from adapters.event_log.memory import MemoryLog
from adapters.vault import MemoryKeyStore, Vault
from contracts.announcement import Announcement
from contracts.commit import Commit, Recorded
from contracts.cursor import Cursor, parse_cursor
from contracts.events import CreditsGranted, JobCompleted, SubmissionStarted
from contracts.events.account import Role
from contracts.ids import AccountId, CommitId
from contracts.subjects import Subject, account_subject, evidence_subject, job_subject
from domain.refusals import Refused
from read_models import positions
from services.api import streams as streams_module
from services.api.dependencies import Api
from services.api.frames import ROWS_MAX, Frame
from services.api.handlers.authenticate_callers import Authenticator, Caller
from services.api.settings import ApiSettings
from services.api.streams import PING_SECONDS, Reader, Streams
from tests.support import examples
from tests.support.examples import ACCOUNT, a_job_id, at
from tests.support.memory import MemoryDatabase, MemoryStorage
from tests.support.virtual_time import VirtualLoop, run

CALLER = Caller(ACCOUNT, Role.USER, "t-1")


class Projected:
    """An api over rows in memory, and a projector by hand that may lose its announcements."""

    def __init__(self) -> None:
        self.database = MemoryDatabase()
        self.position = 0
        self.database.now(lambda connection: positions.create(connection, "memory"))
        nothing = cast("Any", None)
        self.changes = Changes(self._read)
        self.api = Api(
            settings=ApiSettings(),
            client=nothing,
            log=cast("Any", MemoryLog()),
            database=cast("Any", self.database),
            storage=MemoryStorage(),
            vault=Vault(bytes(32), MemoryKeyStore(), MemoryStorage()),
            changes=self.changes,
            accounts=nothing,
            jobs=nothing,
            runs=nothing,
            usage=nothing,
            secrets=nothing,
            progress=nothing,
        )
        self.token_holds = True
        self.streams = Streams(self.api, cast("Authenticator", self))

    async def is_valid(self, caller: Caller) -> bool:
        del caller
        return self.token_holds

    async def _read(self) -> int:
        return self.position

    async def project(self, subject: Subject, *events: Any, tell: bool = True) -> None:
        previous, self.position = self.position, self.position + 1
        commit = Commit(id=CommitId(f"c{self.position}"), at=at(self.position), events=events)
        recorded = Recorded(self.position, subject, commit)

        def work(connection: Any) -> Any:
            positions.advance(connection, previous, self.position)
            return read_models.apply(connection, [recorded])

        rows = self.database.now(work)
        if tell:
            told = Announcement("memory", previous, self.position, rows)
            await self.changes._receive(cast("Any", _Message(told)))

    async def granted(self, amount: int = 1, *, tell: bool = True) -> None:
        event = CreditsGranted(account_id=ACCOUNT, amount=amount, reason="r")
        await self.project(account_subject(ACCOUNT), event, tell=tell)

    async def asked(self, *jobs: Any, tell: bool = True) -> None:
        events = [
            each for job in jobs for each in (examples.reserved(job), examples.requested(job))
        ]
        await self.project(account_subject(ACCOUNT), *events, tell=tell)


class _Message:
    def __init__(self, told: Announcement) -> None:
        self.data = msgspec.json.encode(told)


Play = Callable[[Projected], Awaitable[None]]


def played(play: Play) -> None:
    async def main() -> None:
        world = Projected()
        try:
            await play(world)
        finally:
            world.streams.stop()

    run(main(), VirtualLoop())


async def opened(
    world: Projected, after: Cursor | None = None, **changes: Any
) -> tuple[Reader, list[Frame]]:
    reader = Reader(CALLER, after, changes.get("job"))
    await world.streams.open(reader)
    told: list[Frame] = []

    async def listen() -> None:
        async for frame in world.streams.frames(reader):
            told.extend([frame] if frame is not None else [])

    if changes.get("listens", True):
        task = asyncio.create_task(listen())
        task.add_done_callback(lambda _: world.streams.leave(reader))
    await asyncio.sleep(0.01)
    return reader, told


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


def test_a_bar_moves_between_changes_under_ids_that_continue_exactly() -> None:
    async def play(world: Projected) -> None:
        job = a_job_id()
        await world.asked(job)
        started = examples.started(job)
        await world.project(job_subject(job), started)
        _, told = await opened(world)
        await asyncio.sleep(20)
        assert isinstance(started, SubmissionStarted)
        bars = [msgspec.json.decode(frame.body)["progress"] for frame in told]
        assert bars == sorted(bars)
        if told:
            _, rest = await opened(world, parse_cursor(told[-1].cursor))
            assert not rest

    played(play)


def test_a_revoked_token_ends_its_stream() -> None:
    async def play(world: Projected) -> None:
        reader, _ = await opened(world)
        world.token_holds = False
        await asyncio.sleep(PING_SECONDS * 2)
        channels = world.streams._channels
        assert ACCOUNT not in channels or reader not in channels[ACCOUNT].readers

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


def test_nothing_is_kept_of_an_account_that_nobody_follows() -> None:
    async def play(world: Projected) -> None:
        reader, _ = await opened(world, listens=False)
        world.streams.leave(reader)
        await asyncio.sleep(0.1)
        assert not world.streams._channels

    played(play)
