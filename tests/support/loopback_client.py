"""A broker's client in memory: what is published reaches those who subscribed, and requests too."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from nats import errors

Handle = Callable[[Any], Awaitable[None]]


class LoopbackMessage:
    def __init__(self, subject: str, data: bytes) -> None:
        self.subject, self.data = subject, data
        self.reply: asyncio.Future[LoopbackMessage] = asyncio.get_running_loop().create_future()

    async def respond(self, data: bytes) -> None:
        self.reply.set_result(LoopbackMessage("_INBOX", data))


class LoopbackClient:
    """Stands where nats-py's client stands. `published` keeps what went out, in order."""

    def __init__(self) -> None:
        self.published: list[tuple[str, bytes]] = []
        self._handlers: list[tuple[str, Handle]] = []

    async def subscribe(self, subject: str, cb: Handle) -> None:
        self._handlers.append((subject, cb))

    async def publish(self, subject: str, data: bytes) -> None:
        self.published.append((subject, data))
        await self._hand_out(LoopbackMessage(subject, data))

    async def request(self, subject: str, data: bytes, timeout: float) -> LoopbackMessage:
        message = LoopbackMessage(subject, data)
        try:
            async with asyncio.timeout(timeout):
                if not await self._hand_out(message):
                    raise errors.NoRespondersError
                return await message.reply
        except TimeoutError:
            raise errors.TimeoutError from None

    async def _hand_out(self, message: LoopbackMessage) -> int:
        """Return how many took it."""
        takers = [cb for subject, cb in self._handlers if subject == message.subject]
        for each in takers:
            await each(message)
        return len(takers)
