"""Requests that wait: woken by what the projector tells, a bounded number for each token."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from msgspec import structs

from adapters.changes import Changes
from contracts.announcement import Announcement, ChangedRow
from contracts.events.account import Role
from contracts.ids import JobId
from domain.refusals import Refused
from domain.statuses import JobStatus
from read_models.jobs import Job
from services.api.handlers.callers import Caller
from services.api.handlers.show_jobs import WAITS_OF_TOKEN_MAX, wait_for_news
from tests.support.examples import ACCOUNT, a_job_id
from tests.support.virtual_time import VirtualLoop, run

CALLER = Caller(ACCOUNT, Role.USER, "t-1")
JOB_ID = JobId(a_job_id())


def a_job(status: JobStatus = JobStatus.PROCESSING) -> Job:
    fields: dict[str, Any] = dict.fromkeys(Job.__struct_fields__)
    return Job(
        **fields
        | {
            "job_id": JOB_ID,
            "account_id": ACCOUNT,
            "status": status,
            "sequence": 1,
            "artifacts": (),
        }
    )


class Waited:
    """An api of one job, which counts how often the database is asked."""

    def __init__(self) -> None:
        self.job = a_job()
        self.position = 1
        self.reads = self.looks = 0
        self.changes = Changes(self._look)
        self.changes.advance(1)
        self.waits: dict[str, int] = {}
        self.log = SimpleNamespace(epoch="e")

    def note_write(self, *_: Any) -> None:
        return

    async def jobs_by_id(self, ids: list[JobId]) -> dict[JobId, Job]:
        self.reads += 1
        return dict.fromkeys(ids, self.job)

    async def wait(self, seconds: float = 30.0, known: str = "", caller: Caller = CALLER) -> Job:
        itself = cast("Any", self)
        return await wait_for_news(itself, caller, self.job, known, seconds)

    @property
    def authenticator(self) -> "Waited":
        return self

    @contextmanager
    def following(self, _caller: Caller, _wake: Callable[[], None]) -> Iterator[Any]:
        yield SimpleNamespace(is_over=False)

    async def end(self, *, tell: bool) -> None:
        self.job = structs.replace(self.job, status=JobStatus.COMPLETED, sequence=2)
        self.position = 2
        if tell:
            row = ChangedRow("jobs", ACCOUNT, JOB_ID)
            told = Announcement("memory", 1, 2, (row,))
            await self.changes._receive(
                cast("Any", SimpleNamespace(data=msgspec.json.encode(told)))
            )

    async def _look(self) -> int:
        self.looks += 1
        return self.position


def played(play: Callable[[Waited], Coroutine[Any, Any, None]]) -> None:
    loop = VirtualLoop()
    run(play(Waited()), loop)


def test_who_waits_does_not_ask_the_database() -> None:
    async def play(waited: Waited) -> None:
        await asyncio.gather(*(waited.wait() for _ in range(100)))
        assert waited.reads == 100
        assert waited.looks <= 31

    played(play)


@pytest.mark.parametrize("tell", [True, False], ids=["announced", "announcement lost"])
def test_who_waits_is_told_of_an_end(*, tell: bool) -> None:
    async def play(waited: Waited) -> None:
        clock = asyncio.get_running_loop().time
        waiting = [asyncio.create_task(waited.wait()) for _ in range(10)]
        await asyncio.sleep(5)
        await waited.end(tell=tell)
        began_at = clock()
        ended = await asyncio.gather(*waiting)
        assert {job.status for job in ended} == {JobStatus.COMPLETED}
        assert clock() - began_at <= (0 if tell else 2)

    played(play)


def test_a_token_may_have_so_many_waits_and_another_is_not_concerned() -> None:
    async def play(waited: Waited) -> None:
        waiting = [asyncio.create_task(waited.wait()) for _ in range(WAITS_OF_TOKEN_MAX)]
        await asyncio.sleep(1)
        with pytest.raises(Refused) as caught:
            await waited.wait()
        assert caught.value.code == "too_many_waits"
        other = Caller(ACCOUNT, Role.USER, "t-2")
        await waited.wait(1, caller=other)
        waiting[0].cancel()
        with suppress(asyncio.CancelledError):
            await waiting[0]
        await waited.wait(1)
        await asyncio.gather(*waiting[1:])
        assert waited.waits == {}

    played(play)
