"""The breaker: closed, open, and one try at a time in between."""

import asyncio

from domain.breaker import PAUSE_SECONDS, TROUBLES_MAX
from services.dispatcher.dependencies import Breaker
from tests.support.virtual_time import VirtualLoop, run


def test_a_refused_account_opens_it_at_once_and_keeps_the_providers_words() -> None:
    async def play() -> None:
        breaker = Breaker()
        assert breaker.limit(100) == 100
        breaker.refused("HTTP 403: User is locked")
        assert breaker.limit(100) == 0
        assert "User is locked" in breaker.alarm

    run(play(), VirtualLoop())


def test_a_run_of_troubles_opens_it_and_one_success_in_between_does_not() -> None:
    async def play() -> None:
        breaker = Breaker()
        for _ in range(TROUBLES_MAX - 1):
            breaker.trouble("HTTP 503")
        breaker.close()
        breaker.trouble("HTTP 503")
        assert breaker.limit(100) == 100
        for _ in range(TROUBLES_MAX - 1):
            breaker.trouble("HTTP 503")
        assert breaker.limit(100) == 0

    run(play(), VirtualLoop())


def test_after_the_pause_one_try_decides() -> None:
    async def play() -> None:
        breaker = Breaker()
        breaker.refused("HTTP 402")
        await asyncio.sleep(PAUSE_SECONDS + 0.1)
        assert (breaker.limit(100), breaker.limit(0)) == (1, 0)
        breaker.refused("HTTP 402")
        assert breaker.limit(100) == 0
        await asyncio.sleep(PAUSE_SECONDS + 0.1)
        breaker.close()
        assert (breaker.limit(100), breaker.alarm) == (100, "")

    run(play(), VirtualLoop())
