"""Posting: one paid POST an attempt, never cut, never too late, and few words in the log."""

import asyncio
from datetime import timedelta

import pytest

from adapters import fal
from application.clock import now
from application.event_log import AppendOutcome, Unavailable
from contracts.commit import Commit
from contracts.events import SubmissionStarted
from contracts.subjects import Subject
from domain.breaker import PAUSE_SECONDS, TROUBLES_MAX
from domain.job import Cancel
from domain.times import micros_of
from domain.turns import Turn
from domain.waiting import WaitReason
from read_models import waiting_jobs
from services.dispatcher.dependencies import POSTS_AT_ONCE_MAX
from services.dispatcher.handlers.submit_jobs import submit_jobs
from services.dispatcher.handlers.sweep_waiting import submissions, submit_row
from services.dispatcher.submitting import submit
from tests.support.dispatching import ACCEPTED, BUSY, DispatchingWorld, played


def test_a_post_goes_on_when_whoever_waits_for_it_is_cancelled() -> None:
    async def play(world: DispatchingWorld) -> None:
        async def slow() -> fal.SubmissionOutcome:
            await asyncio.sleep(20)
            return await world.provider.accept()

        world.provider.answer = slow
        loaded, work, _ = await world.asked()
        waiting = asyncio.create_task(submit(world.dispatcher, loaded, work))
        await asyncio.sleep(5)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert world.told(loaded.state.job_id) == ["SubmissionStarted"]
        await world.dispatcher.posts.drain(60)
        assert world.told(loaded.state.job_id) == ["SubmissionStarted", "JobSubmitted"]
        await world.dispatcher.background.drain(1)
        assert world.dispatcher.active == set()

    played(play)


def test_a_shutdown_starts_no_post_and_waits_for_those_under_way() -> None:
    async def play(world: DispatchingWorld) -> None:
        async def slow() -> fal.SubmissionOutcome:
            await asyncio.sleep(20)
            return await world.provider.accept()

        world.provider.answer = slow
        jobs = [await world.asked() for _ in range(POSTS_AT_ONCE_MAX + 10)]
        for _, _, recorded in jobs:
            await submit_jobs(world.dispatcher, recorded)
        await asyncio.sleep(5)
        world.dispatcher.stopping.set()
        await world.dispatcher.background.drain(0)
        await world.dispatcher.posts.drain(60)
        ends = [world.told(loaded.state.job_id) for loaded, _, _ in jobs]
        assert ends.count(["SubmissionStarted", "JobSubmitted"]) == POSTS_AT_ONCE_MAX
        assert ends.count([]) == 10

    played(play)


def test_the_time_in_the_queue_does_not_count_and_nobody_is_posted_twice() -> None:
    async def play(world: DispatchingWorld) -> None:
        async def slow() -> fal.SubmissionOutcome:
            await asyncio.sleep(28)
            return await world.provider.accept()

        world.provider.answer = slow
        jobs = [await world.asked() for _ in range(200)]
        for _, _, recorded in jobs:
            await submit_jobs(world.dispatcher, recorded)
        await world.dispatcher.background.drain(1000)
        assert len(world.provider.posts) == 200
        for loaded, _, _ in jobs:
            assert world.told(loaded.state.job_id) == ["SubmissionStarted", "JobSubmitted"]

    played(play)


def test_a_job_past_its_deadline_is_not_posted() -> None:
    async def play(world: DispatchingWorld) -> None:
        loaded, work, _ = await world.asked(deadline_at=now() - timedelta(seconds=1))
        await submit(world.dispatcher, loaded, work)
        assert world.provider.posts == []
        assert world.told(loaded.state.job_id) == ["JobFailed", "CreditsReleased"]

    played(play)


def test_a_provider_that_is_busy_for_a_quarter_of_an_hour_costs_the_log_few_bytes() -> None:
    async def play(world: DispatchingWorld) -> None:
        async def busy() -> fal.SubmissionOutcome:
            return BUSY

        world.provider.answer = busy
        loaded, _, _ = await world.asked(prompt="reefs " * 600)
        sweep = submissions(world.dispatcher)
        ends_at = now() + timedelta(seconds=930)
        await asyncio.sleep(3)
        while now() < ends_at:
            world.project()
            await sweep.once()
            await asyncio.sleep(1)
        assert world.told(loaded.state.job_id)[-2:] == ["JobFailed", "CreditsReleased"]
        assert len(world.provider.posts) > 80
        assert world.bytes_of(loaded.state.job_id) < 24 * 1024
        assert {str(each) for each in world.provider.posts} == {str(world.provider.posts[0])}

    played(play)


def test_a_job_that_is_cancelled_while_the_provider_is_busy_is_not_posted_again() -> None:
    async def play(world: DispatchingWorld) -> None:
        async def busy() -> fal.SubmissionOutcome:
            return BUSY

        world.provider.answer = busy
        loaded, work, _ = await world.asked()
        posting = asyncio.create_task(submit(world.dispatcher, loaded, work))
        await asyncio.sleep(5)
        newest = await world.dispatcher.jobs.load(loaded.state.job_id)
        assert newest is not None
        await world.dispatcher.jobs.decide(newest, Cancel(by="owner", reason="r"))
        posted = len(world.provider.posts)
        await posting
        assert len(world.provider.posts) <= posted + 1
        assert world.told(loaded.state.job_id)[-1] == "CreditsReleased"

    played(play)


def test_a_provider_that_takes_posts_and_says_nothing_opens_the_breaker() -> None:
    async def play(world: DispatchingWorld) -> None:
        async def silent() -> fal.SubmissionOutcome:
            return fal.SubmissionUnknown("the reply was lost", has_hung=True)

        world.provider.answer = silent
        for _ in range(TROUBLES_MAX):
            loaded, work, _ = await world.asked()
            await submit(world.dispatcher, loaded, work)
        assert world.dispatcher.free_slots == 0
        assert "in trouble" in world.dispatcher.breaker.alarm

    played(play)


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (ACCEPTED, ["JobSubmitted"]),
        (fal.SubmissionRejected("no"), ["JobFailed", "CreditsReleased"]),
        (fal.SubmissionRefused("HTTP 503"), ["AttemptFailed"]),
        (fal.OperatorTrouble("locked"), ["AttemptFailed"]),
    ],
)
def test_what_came_of_a_post_is_recorded_however_late_the_log_is_back(
    outcome: fal.SubmissionOutcome, told: list[str]
) -> None:
    async def play(world: DispatchingWorld) -> None:
        append, is_full = world.log.append, False

        async def maybe(subject: Subject, commit: Commit, *, after: int | None) -> AppendOutcome:
            if is_full:
                return Unavailable("maximum bytes exceeded", full=True)
            return await append(subject, commit, after=after)

        async def answer() -> fal.SubmissionOutcome:
            nonlocal is_full
            is_full = True
            return outcome

        world.provider.answer = answer
        loaded, work, _ = await world.asked()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(world.log, "append", maybe)
            posting = asyncio.create_task(submit(world.dispatcher, loaded, work))
            await asyncio.sleep(600)
            assert world.told(loaded.state.job_id) == ["SubmissionStarted"]
            is_full = False
            await posting
        assert world.told(loaded.state.job_id) == ["SubmissionStarted", *told]
        assert len(world.provider.posts) == 1

    played(play)


def test_of_those_that_wait_for_a_slot_none_is_posted_to_a_provider_that_hangs() -> None:
    async def play(world: DispatchingWorld) -> None:
        world.provider.answer = _silent
        for _ in range(4 * POSTS_AT_ONCE_MAX):
            _, _, recorded = await world.asked()
            await submit_jobs(world.dispatcher, recorded)
        await asyncio.sleep(200)
        assert len(world.provider.posts) < POSTS_AT_ONCE_MAX + TROUBLES_MAX

    played(play)


def test_one_job_at_a_time_tries_whether_the_provider_is_back() -> None:
    async def play(world: DispatchingWorld) -> None:
        world.provider.answer = _silent
        for _ in range(TROUBLES_MAX):
            world.dispatcher.breaker.trouble("HTTP 503")
        await asyncio.sleep(PAUSE_SECONDS + 1)
        for _ in range(20):
            _, _, recorded = await world.asked()
            await submit_jobs(world.dispatcher, recorded)
        await asyncio.sleep(5)
        assert len(world.provider.posts) == 1

    played(play)


async def _silent() -> fal.SubmissionOutcome:
    await asyncio.sleep(35)
    return fal.SubmissionUnknown("the reply was lost", has_hung=True)


def test_a_later_attempt_sends_what_the_first_one_did_without_holding_it_again() -> None:
    async def play(world: DispatchingWorld) -> None:
        async def away() -> fal.SubmissionOutcome:
            return fal.SubmissionRefused("HTTP 503")

        world.provider.answer = away
        loaded, work, _ = await world.asked()
        await submit(world.dispatcher, loaded, work)
        await asyncio.sleep(15)
        world.project()
        world.provider.answer = world.provider.accept
        turn = Turn(until=micros_of(now()), limit=1)
        (row,) = world.database.now(lambda each: waiting_jobs.due(each, turn, WaitReason.TO_SUBMIT))
        await submit_row(world.dispatcher, row)
        first, second = world.provider.posts
        assert first == second
        started = [
            event
            for entry in world.log.entries()
            for event in entry.recorded().commit.events
            if isinstance(event, SubmissionStarted)
        ]
        assert [each.attempt for each in started] == [1, 2]
        assert started[1].arguments is None

    played(play)


@pytest.mark.parametrize("limit", [1, 3])
def test_no_more_is_begun_than_the_provider_may_have(limit: int) -> None:
    async def play(world: DispatchingWorld) -> None:
        for _ in range(5):
            _, _, recorded = await world.asked()
            await submit_jobs(world.dispatcher, recorded)
        await world.dispatcher.background.drain(10)
        assert len(world.provider.posts) == limit
        assert world.dispatcher.has_declined

    played(play, provider_concurrency_max=limit)


def test_replies_that_are_lost_on_their_way_hold_nobody_back() -> None:
    async def play(world: DispatchingWorld) -> None:
        async def lost() -> fal.SubmissionOutcome:
            return fal.SubmissionUnknown("the reply was lost")

        world.provider.answer = lost
        for _ in range(TROUBLES_MAX + 1):
            loaded, work, _ = await world.asked()
            await submit(world.dispatcher, loaded, work)
        assert not world.dispatcher.breaker.alarm

    played(play)
