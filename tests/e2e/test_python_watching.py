"""The Python client follows an account and a job: over cuts, silence, resyncs, and by polling."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import httpx
import pytest
import pytest_asyncio
from darkroom_client import Change, Darkroom, Pace, Problem, Unreachable, Watch
from darkroom_client.models import Credits, Gone, Job, Resync, Run

from cli.world import free_port
from tests.support.listening import events_of
from tests.support.relays import Asked, Relay, a_relay
from tests.support.waiting import until
from tests.support.worlds import RunningWorld

pytestmark = pytest.mark.same_on_any_database

QUICK = Pace(poll=0.1, silence_max=1.0, stream_again=0.5)
POLLING = Pace(poll=0.1, silence_max=1.0, stream_again=600.0)


class Following:
    """Follows in a task of its own, and keeps what it was told."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.changes: list[Change] = []
        self._task = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        async for change in self.watch:
            self.changes.append(change)

    def states_of(self, job: str) -> list[str]:
        documents = [each.document for each in self.changes]
        return [each.status for each in documents if isinstance(each, Job) and each.id == job]

    def has_gone(self, job: str) -> bool:
        documents = [each.document for each in self.changes]
        return any(isinstance(each, Gone) and each.id == job for each in documents)

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@pytest.fixture(scope="module")
def token(world: RunningWorld) -> str:
    return world.new_account("python-watching", 200)


@pytest_asyncio.fixture
async def relay(world: RunningWorld, client: httpx.Client) -> AsyncIterator[Relay]:
    del client  # Asked for: it resets what other tests switched.
    async with a_relay(world.url) as found:
        yield found


@pytest_asyncio.fixture
async def darkroom(relay: Relay, token: str) -> AsyncIterator[Darkroom]:
    async with Darkroom(relay.url, token) as opened:
        yield opened


@pytest_asyncio.fixture
async def followings() -> AsyncIterator[list[Following]]:
    found: list[Following] = []
    yield found
    for each in found:
        await each.stop()


async def begun(watch: Watch, followings: list[Following]) -> Following:
    following = Following(watch)
    followings.append(following)
    await until(lambda: watch.cursor)
    return following


async def made(darkroom: Darkroom, count: int = 1) -> list[str]:
    created = await darkroom.infographs.create(prompt="watched", number_of_infographs=count)
    return [each.id for each in created.infographs]


def all_told(following: Following, jobs: list[str]) -> bool:
    return all(following.states_of(each)[-1:] == ["completed"] for each in jobs)


async def test_a_stream_that_is_cut_goes_on_without_a_gap_and_without_a_repeat(
    darkroom: Darkroom, relay: Relay, followings: list[Following]
) -> None:
    following = await begun(darkroom.watch(pace=QUICK), followings)
    jobs = []
    for opened in range(1, 5):
        jobs += await made(darkroom, 2)
        relay.cut()
        await until(partial(has_streams, relay, opened + 1))
    await until(lambda: all_told(following, jobs))
    order = ["pending", "processing", "completed"]
    for job in jobs:
        states = following.states_of(job)
        assert states == sorted(states, key=order.index)
        assert states.count("completed") == 1
    assert all("after=" in each.target for each in streams(relay)[1:])


def has_streams(relay: Relay, count: int) -> bool:
    return len(streams(relay)) >= count


def streams(relay: Relay) -> list[Asked]:
    return [each for each in relay.asked if each.is_stream]


async def test_a_job_is_followed_to_its_end_over_a_cut(darkroom: Darkroom, relay: Relay) -> None:
    (job,) = await made(darkroom)
    states = []
    async for change in darkroom.watch_job(job, pace=QUICK):
        assert isinstance(change.document, Job)
        states.append(change.document.status)
        if len(states) == 1:
            relay.cut()
    assert states[-1] == "completed"
    assert states.count("completed") == 1


async def test_a_job_that_ended_before_is_told_once(darkroom: Darkroom) -> None:
    (job,) = await made(darkroom)
    await darkroom.wait(job)
    changes = [each async for each in darkroom.watch_job(job)]
    assert len(changes) == 1
    again = [each async for each in darkroom.watch_job(job, after=changes[0].cursor)]
    assert [type(each.document) for each in again] == [Job]


async def test_a_job_that_is_not_there_is_gone(darkroom: Darkroom) -> None:
    changes = [each async for each in darkroom.watch_job("nowhere", pace=QUICK)]
    assert [each.document for each in changes] == [Gone(id="nowhere")]


async def test_after_a_foreign_cursor_all_that_is_open_is_told(
    darkroom: Darkroom,
) -> None:
    (job,) = await made(darkroom)
    async for change in darkroom.watch(after="of-another-log", pace=QUICK):
        assert isinstance(change.document, Resync)
        assert {each.id for each in change.document.jobs} <= {job}
        break
    await darkroom.wait(job)


async def test_after_a_resync_what_has_ended_or_is_gone_is_told_too(
    darkroom: Darkroom, relay: Relay, followings: list[Following]
) -> None:
    following = await begun(darkroom.watch(pace=QUICK), followings)
    kept, deleted = await made(darkroom, 2)
    await until(lambda: all_told(following, [kept, deleted]))
    relay.has_streams = False
    relay.cut()
    await darkroom.infographs.delete(deleted)
    following.watch.cursor = "of-another-log"
    relay.has_streams = True
    await until(lambda: following.has_gone(deleted))
    assert any(isinstance(each.document, Resync) for each in following.changes)
    assert following.states_of(kept).count("completed") == 1


async def test_a_deletion_is_told(darkroom: Darkroom, followings: list[Following]) -> None:
    following = await begun(darkroom.watch(pace=QUICK), followings)
    (job,) = await made(darkroom)
    await until(lambda: all_told(following, [job]))
    await darkroom.infographs.delete(job)
    await until(lambda: following.has_gone(job))


async def test_without_streams_it_polls_until_there_are_some(
    darkroom: Darkroom, relay: Relay, followings: list[Following]
) -> None:
    relay.has_streams = False
    following = await begun(darkroom.watch(pace=QUICK), followings)
    first = await made(darkroom, 2)
    await until(lambda: all_told(following, first))
    assert following.watch.is_polling
    assert any(isinstance(each.document, Credits) for each in following.changes)
    relay.has_streams = True
    await until(lambda: not following.watch.is_polling)
    second = await made(darkroom)
    await until(lambda: all_told(following, second))
    for job in (*first, *second):
        assert following.states_of(job).count("completed") == 1


async def test_a_job_is_polled_to_its_end(darkroom: Darkroom, relay: Relay) -> None:
    relay.has_streams = False
    (job,) = await made(darkroom)
    states = [
        each.document.status
        async for each in darkroom.watch_job(job, pace=POLLING)
        if isinstance(each.document, Job)
    ]
    assert states[-1] == "completed"
    assert states.count("completed") == 1


async def test_while_polling_runs_are_told(
    darkroom: Darkroom, relay: Relay, followings: list[Following]
) -> None:
    relay.has_streams = False
    following = await begun(darkroom.watch(pace=POLLING), followings)
    started = await darkroom.funnels.generate_all(project_id="watched", intake={"a": 1})
    await until(lambda: "completed" in runs_of(following, started.run_id), 30.0)


def runs_of(following: Following, run: str) -> list[str]:
    documents = [each.document for each in following.changes]
    return [each.status for each in documents if isinstance(each, Run) and each.id == run]


async def test_a_silent_stream_is_given_up(
    darkroom: Darkroom, relay: Relay, followings: list[Following]
) -> None:
    relay.is_silent = True
    watch = darkroom.watch(pace=Pace(poll=0.1, silence_max=0.3, stream_again=0.3))
    following = await begun(watch, followings)
    (job,) = await made(darkroom)
    await until(lambda: all_told(following, [job]))
    relay.is_silent = False
    relay.cut()
    await until(lambda: not watch.is_polling)


async def test_a_server_that_stays_away_ends_the_watch(token: str) -> None:
    pace = Pace(poll=0.05, silence_max=0.5, stream_again=0.1, away_max=0.3)
    async with Darkroom(f"http://127.0.0.1:{free_port()}", token) as darkroom:
        with pytest.raises(Unreachable, match="nothing was heard"):
            await anext(aiter(darkroom.watch(pace=pace)))


async def test_a_refused_token_ends_the_watch(world: RunningWorld) -> None:
    async with Darkroom(world.url, "nobody") as darkroom:
        with pytest.raises(Problem) as found:
            await anext(aiter(darkroom.watch()))
    assert found.value.code == "unauthorized"


async def test_a_ticket_opens_the_stream_without_a_token(darkroom: Darkroom) -> None:
    (job,) = await made(darkroom)
    url = await darkroom.stream_url(job)

    def last_state() -> str:
        with httpx.stream("GET", url, timeout=20) as answer:
            return str(list(events_of(answer))[-1].data["status"])

    assert await asyncio.to_thread(last_state) == "completed"
    assert (await darkroom.stream_url(after="a.1")).endswith("&after=a.1")
