"""Tokens: known for a moment, forgotten as soon as one is revoked, also while it is looked up."""

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any, cast

import pytest

from contracts.events import AccessTokenIssued, AccessTokenRevoked
from contracts.events.account import Role
from contracts.ids import TokenId
from contracts.subjects import account_subject
from domain.refusals import Refused
from tests.support.examples import ACCOUNT
from tests.support.memory import MemoryDatabase
from tests.support.streaming import CALLER, Projected, played

TOKEN = "dkr_" + "a" * 43
HEADER = f"Token {TOKEN}"
SUBJECT = account_subject(ACCOUNT)
REVOKED = AccessTokenRevoked(account_id=ACCOUNT, token_id=TokenId("t-1"))


async def issued(world: Projected) -> None:
    sha256 = hashlib.sha256(TOKEN.encode()).hexdigest()
    event = AccessTokenIssued(
        account_id=ACCOUNT, token_id=TokenId("t-1"), sha256=sha256, role=Role.USER
    )
    await world.project(SUBJECT, event)


async def is_refused(world: Projected) -> bool:
    try:
        await world.authenticator.caller(HEADER)
    except Refused:
        return True
    return False


class SlowDatabase:
    """Hands a snapshot over long after it was taken."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def read(self, work: Callable[..., Any], *arguments: Any) -> Any:
        found = self._database.now(work, *arguments)
        await asyncio.sleep(0.2)
        return found


@pytest.mark.parametrize("seconds_untold", [None, 1.0])
def test_a_revoked_token_is_refused_at_once_and_within_a_second_if_nobody_tells(
    seconds_untold: float | None,
) -> None:
    async def play(world: Projected) -> None:
        await issued(world)
        assert await world.authenticator.caller(HEADER) == CALLER
        await world.project(SUBJECT, REVOKED, tell=seconds_untold is None)
        await asyncio.sleep(seconds_untold or 0.0)
        assert await is_refused(world)

    played(play)


def test_a_token_that_is_revoked_while_it_is_looked_up_is_not_remembered() -> None:
    async def play(world: Projected) -> None:
        await issued(world)
        world.authenticator._database = cast("Any", SlowDatabase(world.database))
        looking = asyncio.create_task(world.authenticator.caller(HEADER))
        await asyncio.sleep(0.1)
        await world.project(SUBJECT, REVOKED)
        await looking
        assert await is_refused(world)

    played(play)


def test_whoever_waits_is_woken_by_the_revocation_of_their_token_only() -> None:
    async def play(world: Projected) -> None:
        await issued(world)
        await world.issued("t-2")
        woken = asyncio.Event()
        with world.authenticator.following(CALLER, woken.set) as stay:
            await world.revoked("t-2")
            await asyncio.sleep(2.0)
            early = stay.is_over
            await world.project(SUBJECT, REVOKED)
            await asyncio.sleep(0.1)
        assert (early, stay.is_over, woken.is_set()) == (False, True, True)
        await asyncio.sleep(2.0)
        assert world.authenticator._watching is None

    played(play)
