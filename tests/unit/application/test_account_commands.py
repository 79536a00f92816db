"""The account handler: many requests at once, one commit, and no refusal on stale data."""

import asyncio

import pytest

from adapters.changes import Changes
from application import account_commands
from application.account_commands import AccountCommandHandler, CommandResult
from application.event_log import (
    AppendOutcome,
    Conflict,
    LogUnavailable,
    OutcomeUnknown,
    Unavailable,
)
from application.ports import NotThereYet
from contracts.commit import Commit
from contracts.events.account import Role
from contracts.ids import AccountId, TokenId
from contracts.sealed import Sealed
from contracts.subjects import Subject
from domain.account import (
    Account,
    AccountCommand,
    GrantCredits,
    NeededFacts,
    RequestJobs,
    evolve_commit,
)
from domain.account_batch import AccountRequest
from domain.refusals import Refused
from domain.tokens import IssueToken
from tests.support.examples import ACCOUNT, a_job_id, requested
from tests.support.memory_log import MemoryLog


class Row:
    """An account's row that lags behind the log until the test lets it catch up."""

    def __init__(self, log: MemoryLog) -> None:
        self.log = log
        self.state = Account(id=ACCOUNT)
        self.catches_up = True
        self.changes = Changes(self.position)

    async def read(self, _account: AccountId, _wanted: NeededFacts) -> Account:
        return self.state

    async def position(self) -> int:
        if not self.catches_up:
            return 0
        self.state = Account(id=ACCOUNT)
        for sequence in range(1, await self.log.end() + 1):
            recorded = await self.log.read(sequence)
            assert recorded is not None
            self.state = evolve_commit(self.state, recorded)
        return await self.log.end()


def request_of(command: AccountCommand, key: str | None = None) -> AccountRequest:
    fingerprint = repr(type(command)) if key else None
    return AccountRequest(
        command=command,
        actor="test",
        correlation_id="c",
        idempotency_key=key,
        fingerprint=fingerprint,
    )


def jobs(count: int = 1) -> RequestJobs:
    return RequestJobs(tuple(requested(a_job_id()) for _ in range(count)))


def jobs_of_bytes(size: int) -> RequestJobs:
    """Ask for one job whose input takes `size` bytes before it is written as text."""
    return RequestJobs((requested(a_job_id(), input=Sealed(box=b"x" * size)),))


def a_handler(log: MemoryLog) -> tuple[AccountCommandHandler, Row]:
    row = Row(log)
    return AccountCommandHandler(log, row.read, row.changes), row


async def test_requests_of_an_account_that_wait_behind_each_other_become_one_commit() -> None:
    log = MemoryLog()
    handler, _ = a_handler(log)
    await handler.execute(ACCOUNT, request_of(GrantCredits(100, "r")))
    answers = await asyncio.gather(
        *(handler.execute(ACCOUNT, request_of(jobs())) for _ in range(20))
    )
    assert await log.end() == 2
    own = {answer.events[1].job_id for answer in answers}  # type: ignore[union-attr]
    assert len(own) == 20
    recorded = await log.read(2)
    assert recorded is not None
    assert len(recorded.commit.requests) == 20


async def test_one_that_is_refused_does_not_refuse_its_neighbours() -> None:
    log = MemoryLog()
    handler, _ = a_handler(log)
    await handler.execute(ACCOUNT, request_of(GrantCredits(3, "r")))
    answers = await asyncio.gather(
        *(handler.execute(ACCOUNT, request_of(jobs(count))) for count in (2, 5, 1)),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers] == [CommandResult, Refused, CommandResult]


async def test_nothing_is_refused_on_a_row_that_lags_behind() -> None:
    log = MemoryLog()
    handler, row = a_handler(log)
    other = AccountCommandHandler(log, row.read, row.changes)
    await other.execute(ACCOUNT, request_of(GrantCredits(1, "r")))
    assert row.state.available == 0
    assert (await handler.execute(ACCOUNT, request_of(jobs()))).sequence == 2


async def test_without_fresh_data_the_answer_is_unavailable_not_a_refusal() -> None:
    handler, row = a_handler(MemoryLog())
    await handler.execute(ACCOUNT, request_of(GrantCredits(1, "r")))
    row.catches_up = False
    with pytest.raises(NotThereYet):
        await handler.execute(ACCOUNT, request_of(jobs(2)))


async def test_two_handlers_of_one_account_never_reserve_more_than_it_has() -> None:
    log = MemoryLog()
    handler, row = a_handler(log)
    other = AccountCommandHandler(log, row.read, row.changes)
    await handler.execute(ACCOUNT, request_of(GrantCredits(10, "r")))
    answers = await asyncio.gather(
        *(each.execute(ACCOUNT, request_of(jobs())) for each in (handler, other) * 15),
        return_exceptions=True,
    )
    assert sum(isinstance(answer, CommandResult) for answer in answers) == 10
    assert sum(isinstance(answer, Refused) for answer in answers) == 20


async def test_the_same_key_in_one_batch_is_one_request() -> None:
    handler, row = a_handler(MemoryLog())
    await handler.execute(ACCOUNT, request_of(GrantCredits(10, "r")))
    answers = await asyncio.gather(
        *(handler.execute(ACCOUNT, request_of(jobs(), "k")) for _ in range(5))
    )
    assert [answer.replayed for answer in answers] == [False, True, True, True, True]
    assert len({answer.sequence for answer in answers}) == 1
    await row.position()
    assert row.state.held == 1


async def test_the_same_key_through_another_handler_finds_the_first_answer() -> None:
    log = MemoryLog()
    handler, row = a_handler(log)
    other = AccountCommandHandler(log, row.read, row.changes)
    await handler.execute(ACCOUNT, request_of(GrantCredits(10, "r")))
    await row.position()
    first = await handler.execute(ACCOUNT, request_of(jobs(), "k"))
    second = await other.execute(ACCOUNT, request_of(jobs(), "k"))
    assert second == CommandResult(first.sequence, first.events, replayed=True)


class Slow(MemoryLog):
    """Stores only once it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.let = asyncio.Event(), asyncio.Event()

    async def append(self, subject: Subject, commit: Commit, *, after: int | None) -> AppendOutcome:
        self.asked.set()
        await self.let.wait()
        return await super().append(subject, commit, after=after)


async def test_a_repeat_of_a_request_that_is_not_answered_yet_is_in_flight(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(account_commands, "IN_FLIGHT_SECONDS", 0.05)
    log = Slow()
    handler, _ = a_handler(log)
    first = asyncio.create_task(handler.execute(ACCOUNT, request_of(GrantCredits(1, "r"), "k")))
    await log.asked.wait()
    with pytest.raises(Refused, match="idempotency_in_flight"):
        await handler.execute(ACCOUNT, request_of(GrantCredits(1, "r"), "k"))
    log.let.set()
    assert (await first).sequence == 1
    assert (await handler.execute(ACCOUNT, request_of(GrantCredits(1, "r"), "k"))).sequence == 1


class Away(MemoryLog):
    async def append(self, subject: Subject, commit: Commit, *, after: int | None) -> AppendOutcome:
        del subject, commit, after
        return Unavailable("the broker is away")


class Contended(MemoryLog):
    async def append(self, subject: Subject, commit: Commit, *, after: int | None) -> AppendOutcome:
        del subject, commit, after
        return Conflict()


@pytest.mark.parametrize("log", [Away(), Contended()])
async def test_an_unknown_outcome_is_never_an_answer(log: MemoryLog) -> None:
    handler, _ = a_handler(log)
    with pytest.raises(Exception, match=r"away|busy"):
        await handler.execute(ACCOUNT, request_of(GrantCredits(1, "r")))


async def test_a_caller_that_leaves_cancels_nobody() -> None:
    log = Slow()
    handler, _ = a_handler(log)
    leaver = asyncio.create_task(handler.execute(ACCOUNT, request_of(GrantCredits(1, "r"))))
    stayer = asyncio.create_task(handler.execute(ACCOUNT, request_of(GrantCredits(2, "r"))))
    await log.asked.wait()
    leaver.cancel()
    log.let.set()
    assert (await stayer).sequence == 1


async def test_only_the_requests_of_the_commit_that_may_be_stored_have_an_unknown_outcome() -> None:
    handler, row = a_handler(MemoryLog())
    await handler.execute(ACCOUNT, request_of(GrantCredits(10, "r")))
    away = AccountCommandHandler(Away(), row.read, row.changes)
    await row.position()
    asked = (
        request_of(jobs(1)),
        request_of(jobs_of_bytes(190_000)),
        request_of(jobs_of_bytes(190_000)),
    )
    answers = await asyncio.gather(
        *(away.execute(ACCOUNT, each) for each in asked), return_exceptions=True
    )
    kinds = [type(answer) for answer in answers]
    assert kinds == [OutcomeUnknown, OutcomeUnknown, LogUnavailable]


class Full(MemoryLog):
    async def append(self, subject: Subject, commit: Commit, *, after: int | None) -> AppendOutcome:
        del subject, commit, after
        return Unavailable("maximum bytes exceeded", full=True)


async def test_what_a_full_log_has_refused_has_a_known_outcome() -> None:
    handler, _ = a_handler(Full())
    with pytest.raises(LogUnavailable) as caught:
        await handler.execute(ACCOUNT, request_of(GrantCredits(1, "r")))
    assert not isinstance(caught.value, OutcomeUnknown)


async def test_no_request_is_refused_because_of_one_whose_commit_was_not_stored() -> None:
    handler, row = a_handler(MemoryLog())
    away = AccountCommandHandler(Away(), row.read, row.changes)
    issue = IssueToken(TokenId("t"), "ab", Role.USER)
    first = GrantCredits(1, "r", AccountId("first"))
    second = GrantCredits(1, "r", AccountId("second"))
    answers = await asyncio.gather(
        *(away.execute(ACCOUNT, request_of(each)) for each in (first, second)),
        return_exceptions=True,
    )
    assert not [answer for answer in answers if isinstance(answer, Refused)]
    assert (await handler.execute(ACCOUNT, request_of(issue))).sequence == 1


async def test_an_earlier_answer_is_found_before_anything_is_decided() -> None:
    handler, row = a_handler(MemoryLog())
    first = await handler.execute(ACCOUNT, request_of(GrantCredits(1, "r"), "k"))
    fingerprint = repr(GrantCredits)
    found = await handler.earlier_result(ACCOUNT, "k", fingerprint)
    assert found == CommandResult(first.sequence, first.events, replayed=True)
    assert await handler.earlier_result(ACCOUNT, "other", fingerprint) is None
    with pytest.raises(Refused, match="idempotency_key_reused"):
        await handler.earlier_result(ACCOUNT, "k", "other content")
    stranger = AccountCommandHandler(handler._log, row.read, row.changes)
    assert await stranger.earlier_result(ACCOUNT, "k", fingerprint) is None
    assert await stranger.earlier_result(ACCOUNT, "k", fingerprint, fresh=True) == found
