"""A pull inbox: when its pulls count as lost, on an idle log and after a long pause."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from nats.aio.client import Client

from adapters.pull_inbox import PULL_SECONDS, SILENCE_SECONDS_MAX, PullInbox
from tests.support.virtual_time import VirtualLoop, run


class Broker:
    """Keeps the inbox's callback, through which it answers."""

    def __init__(self) -> None:
        self.stats, self.is_closed, self.pulls = {"reconnects": 0}, False, 0

    def new_inbox(self) -> str:
        return "_INBOX"

    async def subscribe(self, _inbox: str, cb: Any, **_limits: int) -> None:
        self.answer = cb

    async def publish(self, _subject: str, _body: bytes, reply: str) -> None:
        del reply
        self.pulls += 1

    async def end_pull(self, unserved: int) -> None:
        headers = {"Status": "408", "Nats-Pending-Messages": str(unserved)}
        await self.answer(SimpleNamespace(reply="", headers=headers))


def test_pulls_that_ended_while_the_reader_paused_are_not_lost() -> None:
    """The follower would make a new consumer, and warn, where the next pull is all it takes."""

    async def play() -> None:
        broker = Broker()
        inbox = PullInbox(cast("Client", broker), "consumer")
        await inbox.pull(10, credit_min=0)
        await asyncio.sleep(PULL_SECONDS)
        await broker.end_pull(unserved=10)
        await asyncio.sleep(SILENCE_SECONDS_MAX + 1)
        assert not inbox.is_lost
        await inbox.pull(10, credit_min=0)
        assert broker.pulls == 2
        assert not inbox.is_lost

    run(play(), VirtualLoop())


def test_an_open_pull_that_is_not_heard_of_is_lost_and_so_is_one_of_an_old_connection() -> None:
    async def play() -> None:
        broker = Broker()
        inbox = PullInbox(cast("Client", broker), "consumer")
        await inbox.pull(10, credit_min=0)
        seen = [inbox.is_lost]
        await asyncio.sleep(SILENCE_SECONDS_MAX + 1)
        seen.append(inbox.is_lost)
        inbox.forget_pulls()
        seen.append(inbox.is_lost)
        broker.stats["reconnects"] += 1
        seen.append(inbox.is_lost)
        assert seen == [False, True, False, True]

    run(play(), VirtualLoop())
