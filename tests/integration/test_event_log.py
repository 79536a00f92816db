"""One suite for every member: the log in memory, on one server, and on three."""

import asyncio
from collections.abc import AsyncIterator

import nats
import pytest
from msgspec import structs

from adapters.broker_setup import set_up
from adapters.event_log.jetstream import JetStreamLog
from application.event_log import (
    AlreadyMine,
    Conflict,
    EventLog,
    LogUnavailable,
    Stored,
    Unavailable,
    require_stored,
    tail,
)
from contracts.commit import COMMIT_BYTES_MAX
from contracts.events import CreditsGranted
from contracts.ids import AccountId
from contracts.subjects import Subject, account_subject
from tests.support.examples import a_job_id, commit
from tests.support.memory_log import MemoryLog
from tests.support.waiting import until

LOG_BYTES_MAX = 64 * 1024**2


@pytest.fixture(params=["memory", "one_server", "three_servers"])
async def log(request: pytest.FixtureRequest) -> AsyncIterator[EventLog]:
    if request.param == "memory":
        yield MemoryLog()
        return
    url = request.getfixturevalue(request.param)
    client = await nats.connect(url.split(","))
    replicas = 3 if request.param == "three_servers" else 1

    async def is_set_up() -> bool:
        try:
            await set_up(client, log_bytes_max=LOG_BYTES_MAX, replicas=replicas)
        except nats.errors.Error:  # The cluster elects its leader first.
            return False
        return True

    await until(is_set_up)
    yield await JetStreamLog.open(client)
    await client.close()


def a_subject() -> Subject:
    return account_subject(AccountId(a_job_id()))


def grant(amount: int = 1, reason: str = "r") -> CreditsGranted:
    return CreditsGranted(account_id=AccountId("a"), amount=amount, reason=reason)


async def test_what_was_stored_is_read_back(log: EventLog) -> None:
    subject, written = a_subject(), commit(grant())
    outcome = await log.append(subject, written, after=0)
    assert isinstance(outcome, Stored)
    last = await log.last(subject)
    assert last is not None
    assert (last.sequence, last.subject, last.commit) == (outcome.sequence, subject, written)
    assert await log.read(outcome.sequence) == last
    assert await log.end() >= outcome.sequence


async def test_a_decision_on_an_old_state_is_a_conflict_and_leaves_nothing(log: EventLog) -> None:
    subject = a_subject()
    first = require_stored(await log.append(subject, commit(grant()), after=0))
    assert await log.append(subject, commit(grant(2)), after=0) == Conflict()
    assert first is not None
    assert await log.append(subject, commit(grant(3)), after=first + 1000) == Conflict()
    assert len(await tail(log, subject, 0)) == 1


async def test_a_conflict_burns_no_sequence(log: EventLog) -> None:
    subject = a_subject()
    await log.append(subject, commit(grant()), after=0)
    before = await log.end()
    await log.append(subject, commit(grant()), after=0)
    outcome = await log.append(a_subject(), commit(grant()), after=0)
    assert outcome == Stored(before + 1)


async def test_the_same_commit_again_is_already_mine(log: EventLog) -> None:
    subject, written = a_subject(), commit(grant())
    first = require_stored(await log.append(subject, written, after=0))
    assert first is not None
    assert await log.append(subject, written, after=0) == AlreadyMine(first)


async def test_already_mine_is_found_behind_what_others_wrote_since(log: EventLog) -> None:
    subject, written = a_subject(), commit(grant())
    first = require_stored(await log.append(subject, written, after=0))
    assert first is not None
    await log.append(subject, commit(grant(2)), after=first)
    assert await log.append(subject, written, after=0) == AlreadyMine(first)


async def test_of_many_writers_on_one_state_exactly_one_gets_through(log: EventLog) -> None:
    subject = a_subject()
    outcomes = await asyncio.gather(
        *(log.append(subject, commit(grant(each + 1)), after=0) for each in range(20))
    )
    assert sum(isinstance(outcome, Stored) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 19


async def test_evidence_is_stored_whatever_came_before(log: EventLog) -> None:
    subject = a_subject()
    outcomes = [await log.append(subject, commit(grant()), after=None) for _ in range(3)]
    assert all(isinstance(outcome, Stored) for outcome in outcomes)


async def test_a_tail_is_the_subjects_own_commits_in_order(log: EventLog) -> None:
    subject, other = a_subject(), a_subject()
    last = 0
    for amount in (1, 2, 3):
        last = require_stored(await log.append(subject, commit(grant(amount)), after=last)) or 0
        await log.append(other, commit(grant()), after=None)
    found = await tail(log, subject, 0)
    assert [getattr(each.commit.events[0], "amount", 0) for each in found] == [1, 2, 3]
    assert await tail(log, subject, last) == []


async def test_there_is_nothing_where_nothing_was_written(log: EventLog) -> None:
    subject = a_subject()
    assert await log.last(subject) is None
    assert await log.next(subject, 1) is None
    assert await log.read(0) is None
    assert await log.read(10**9) is None


async def test_following_yields_everything_in_order_and_waits_for_more(log: EventLog) -> None:
    start = await log.end()
    for amount in range(1, 6):
        await log.append(a_subject(), commit(grant(amount)), after=0)
    seen: list[int] = []
    async with asyncio.timeout(60):
        async for batch in log.follow(start):
            seen += [getattr(each.recorded().commit.events[0], "amount", 0) for each in batch]
            if len(seen) == 5:
                await log.append(a_subject(), commit(grant(6)), after=0)
            if len(seen) == 6:
                break
    assert seen == [1, 2, 3, 4, 5, 6]


async def test_a_commit_that_is_too_large_is_refused_before_it_is_sent(log: EventLog) -> None:
    large = commit(grant(reason="x" * COMMIT_BYTES_MAX))
    outcome = await log.append(a_subject(), large, after=0)
    assert isinstance(outcome, Unavailable)
    assert outcome.full
    with pytest.raises(LogUnavailable):
        require_stored(outcome)


async def test_an_id_is_looked_for_not_guessed(log: EventLog) -> None:
    """Two writers of one state are told apart by their random ids, not by what they wrote."""
    subject, written = a_subject(), commit(grant())
    await log.append(subject, written, after=0)
    twin = structs.replace(written, id=commit(grant()).id)
    assert await log.append(subject, twin, after=0) == Conflict()
