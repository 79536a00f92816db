"""Health: all services are asked at once, and one that does not answer well is not consuming."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from nats.aio.client import Client

from adapters.health import ASK_SECONDS, SERVICES, Health, answer_health, ask_health
from tests.support.loopback_client import LoopbackClient, LoopbackMessage
from tests.support.virtual_time import VirtualLoop, run

FIRST, *OTHERS = SERVICES


async def answering(client: LoopbackClient, *services: str) -> None:
    for service in services:
        health = Health(service, consuming=True)
        await answer_health(cast("Client", client), service, lambda health=health: health)  # type: ignore[misc]


async def asked(client: Any) -> list[Health]:
    return await ask_health(client)


def away(service: str) -> Health:
    return Health(service, consuming=False, alarms=(f"{service} does not answer",))


async def test_every_service_answers_for_itself_in_the_order_of_the_list() -> None:
    client = LoopbackClient()
    await answering(client, *reversed(SERVICES))
    assert await asked(client) == [Health(each, consuming=True) for each in SERVICES]


async def test_an_answer_is_what_the_service_says_at_that_moment() -> None:
    client = LoopbackClient()
    states = [
        Health(FIRST, consuming=False, alarms=("the log is nearly full", "é"), behind=3),
        Health(FIRST, consuming=True, behind=0),
    ]
    wanted = list(states)
    await answer_health(cast("Client", client), FIRST, lambda: states.pop(0))
    assert [(await asked(client))[0] for _ in range(2)] == wanted


async def test_a_service_that_is_not_there_is_not_consuming() -> None:
    client = LoopbackClient()
    await answering(client, *OTHERS)
    assert await asked(client) == [away(FIRST)] + [Health(each, consuming=True) for each in OTHERS]


async def _junk(message: LoopbackMessage) -> None:
    await message.respond(b"<html>")


async def _silence(_message: LoopbackMessage) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("answer", [_junk, _silence])
def test_a_service_that_answers_junk_or_not_in_time_is_not_consuming(
    answer: Callable[[LoopbackMessage], Awaitable[None]],
) -> None:
    async def play() -> None:
        client = LoopbackClient()
        await client.subscribe(f"live.health.{FIRST}", answer)
        await answering(client, *OTHERS)
        assert [each.consuming for each in await asked(client)] == [False, True, True]

    run(play(), VirtualLoop())


def test_services_that_are_silent_are_waited_for_together() -> None:
    async def play() -> None:
        client = LoopbackClient()
        for service in SERVICES:
            await client.subscribe(f"live.health.{service}", _silence)
        assert await asked(client) == [away(each) for each in SERVICES]
        assert asyncio.get_running_loop().time() == pytest.approx(ASK_SECONDS)

    run(play(), VirtualLoop())


async def test_a_connection_that_is_lost_makes_every_service_not_consuming() -> None:
    class Lost:
        async def request(self, *_: object, **__: object) -> None:
            raise ConnectionResetError

    assert await asked(Lost()) == [away(each) for each in SERVICES]
