"""Handlers are functions: jobs are requested here without a server, on a log in memory."""

import math
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from adapters.changes import Changes
from adapters.fingerprints import Fingerprints
from adapters.http_server import AnyResponse
from adapters.usage import Usage
from application.account_commands import AccountCommandHandler
from contracts.events import CreditsGranted
from contracts.ids import AccountId
from contracts.subjects import account_subject
from domain.account import Account, NeededFacts, evolve_commit
from domain.refusals import Refused
from services.api.dependencies import Api
from services.api.handlers.create_jobs import CreateInfographs, create_infographs
from services.api.handlers.request_context import RequestContext
from tests.support import examples
from tests.support.examples import ACCOUNT
from tests.support.streaming import CALLER, Projected, played

Create = Callable[[Api, RequestContext, CreateInfographs], Awaitable[AnyResponse]]
create = cast("Create", create_infographs.fn)
TWO = CreateInfographs(prompt="a lighthouse", number_of_infographs=2)


async def an_api(amount: int) -> Api:
    api = Projected().api

    async def newest(account: AccountId, _needed: NeededFacts, /) -> Account:
        state = Account(id=account)
        for sequence in range(1, await api.log.end() + 1):
            recorded = await api.log.read(sequence)
            assert recorded is not None
            state = evolve_commit(state, recorded)
        return state

    api.accounts = AccountCommandHandler(api.log, newest, Changes(api.log.end))
    api.usage, api.fingerprints = Usage("test"), Fingerprints(bytes(32))
    api.admission_checked_at = math.inf  # The log is not full.
    granted = CreditsGranted(account_id=ACCOUNT, amount=amount, reason="test")
    await api.log.append(account_subject(ACCOUNT), examples.commit(granted), after=None)
    return api


def a_request(key: str | None = None) -> RequestContext:
    return RequestContext(
        caller=CALLER,
        path="/api/infographs/create/",
        request_id="r",
        idempotency_key=key,
        prefer="respond-async",
    )


def test_a_request_is_one_commit_and_says_where_it_stands() -> None:
    async def play(_: Projected) -> None:
        api, request = await an_api(amount=2), a_request()
        answer = await create(api, request, TWO)
        assert (answer.status_code, answer.content.total_submitted) == (201, 2)
        assert answer.headers["Darkroom-As-Of"] == answer.content.as_of == api.cursor(2)
        assert answer.headers["Preference-Applied"] == "respond-async"
        assert await api.log.end() == 2
        assert request.is_carried_out

    played(play)


def test_what_cannot_be_paid_is_not_carried_out() -> None:
    async def play(_: Projected) -> None:
        api, request = await an_api(amount=1), a_request()
        with pytest.raises(Refused) as caught:
            await create(api, request, TWO)
        assert (caught.value.code, await api.log.end()) == ("insufficient_credits", 1)
        assert not request.is_carried_out

    played(play)


def test_a_key_stands_for_one_content_and_gets_one_answer() -> None:
    async def play(_: Projected) -> None:
        api = await an_api(amount=3)
        first = await create(api, a_request("k"), TWO)
        again = await create(api, a_request("k"), TWO)
        assert again.content == first.content
        assert "Idempotency-Replayed" not in first.headers
        assert again.headers["Idempotency-Replayed"] == "true"
        other: Any = CreateInfographs(prompt="a harbour")
        with pytest.raises(Refused) as caught:
            await create(api, a_request("k"), other)
        assert (caught.value.code, await api.log.end()) == ("idempotency_key_reused", 2)

    played(play)
