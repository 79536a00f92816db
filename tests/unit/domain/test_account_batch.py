"""What one round makes of requests that came at once: how large it may get, who stands back."""

import asyncio

import pytest

from application.account_commands import AccountCommandHandler, CommandResult
from contracts.events.account import Role
from contracts.ids import AccountId, EndpointId, TokenId
from contracts.sealed import Sealed
from domain.account import GrantCredits
from domain.account_batch import AccountRequest
from domain.endpoints import ENDPOINTS_MAX, RegisterEndpoint
from domain.refusals import Refused
from domain.tokens import IssueToken, RevokeToken
from tests.support.examples import ACCOUNT
from tests.support.memory_log import MemoryLog
from tests.unit.application.test_account_commands import a_handler, jobs, jobs_of_bytes, request_of


@pytest.mark.parametrize(("count", "size"), [(24, 16_000), (5, 40_000), (64, 4_000)])
async def test_requests_that_are_too_large_for_one_commit_become_several(
    count: int, size: int
) -> None:
    log = MemoryLog()
    handler, _ = a_handler(log)
    await handler.execute(ACCOUNT, request_of(GrantCredits(100, "r")))
    answers = await asyncio.gather(
        *(handler.execute(ACCOUNT, request_of(jobs_of_bytes(size))) for _ in range(count))
    )
    assert len({answer.events[1].job_id for answer in answers}) == count  # type: ignore[union-attr]
    assert 2 < await log.end() < 2 + count


async def test_one_that_is_too_large_by_itself_is_refused_and_its_neighbours_are_not() -> None:
    handler, _ = a_handler(MemoryLog())
    await handler.execute(ACCOUNT, request_of(GrantCredits(10, "r")))
    answers = await asyncio.gather(
        *(
            handler.execute(ACCOUNT, request_of(jobs_of_bytes(size)))
            for size in (100, 300_000, 200)
        ),
        return_exceptions=True,
    )
    assert [type(answer) for answer in answers] == [CommandResult, Refused, CommandResult]
    assert isinstance(answers[1], Refused)
    assert answers[1].code == "too_large"


async def test_of_two_services_at_once_one_gets_the_account() -> None:
    log = MemoryLog()
    handler, row = a_handler(log)
    other = AccountCommandHandler(log, row.read, row.changes)
    asked = [
        each.execute(ACCOUNT, request_of(GrantCredits(1, "r", AccountId(f"service{number}"))))
        for number, each in enumerate((handler, other) * 8)
    ]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(answer, CommandResult) for answer in answers) == 1
    refused = [answer.code for answer in answers if isinstance(answer, Refused)]
    assert refused == ["forbidden"] * 15


async def test_of_forty_endpoints_at_once_through_two_handlers_as_many_stand_as_may() -> None:
    log = MemoryLog()
    handler, row = a_handler(log)
    other = AccountCommandHandler(log, row.read, row.changes)
    asked = [
        each.execute(
            ACCOUNT,
            request_of(RegisterEndpoint(EndpointId(f"e{number}"), Sealed(box=b"u"), ("t",))),
        )
        for number, each in enumerate((handler, other) * 20)
    ]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(answer, CommandResult) for answer in answers) == ENDPOINTS_MAX
    refused = [answer.code for answer in answers if isinstance(answer, Refused)]
    assert refused == ["too_many_endpoints"] * (40 - ENDPOINTS_MAX)


async def test_a_request_for_what_is_so_already_writes_nothing() -> None:
    log = MemoryLog()
    handler, row = a_handler(log)
    await handler.execute(ACCOUNT, request_of(IssueToken(TokenId("t"), "ab", Role.USER)))
    first = await handler.execute(ACCOUNT, request_of(RevokeToken(TokenId("t"))))
    await row.position()
    second = await handler.execute(ACCOUNT, request_of(RevokeToken(TokenId("t"))))
    assert (first.sequence, len(first.events)) == (2, 1)
    assert second == CommandResult(2, ())
    assert await log.end() == 2


async def test_a_key_of_many_requests_stands_for_one_content() -> None:
    handler, _ = a_handler(MemoryLog())
    await handler.execute(ACCOUNT, request_of(GrantCredits(10, "r")))

    def one_of_many(each: str, content: str) -> AccountRequest:
        return AccountRequest(
            command=jobs(),
            actor="test",
            correlation_id="c",
            idempotency_key=f"each:{each}:k",
            whole_key="own:k",
            fingerprint=content,
        )

    first = await handler.execute(ACCOUNT, one_of_many("1", "content"))
    await handler.execute(ACCOUNT, one_of_many("2", "content"))
    again = await handler.execute(ACCOUNT, one_of_many("1", "content"))
    assert (again.events, again.replayed) == (first.events, True)
    with pytest.raises(Refused, match="idempotency_key_reused"):
        await handler.execute(ACCOUNT, one_of_many("3", "other"))
    with pytest.raises(Refused, match="idempotency_key_reused"):
        await handler.earlier_result(ACCOUNT, "own:k", "other")
