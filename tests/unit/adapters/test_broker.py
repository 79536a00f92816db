"""Connecting to the broker can be given up, whatever becomes of the cancellation."""

import asyncio
from typing import Any

import nats
import pytest

from adapters.broker import connect

URL = "nats://127.0.0.1:1"


class Connection:
    is_closed = False

    async def close(self) -> None:
        self.is_closed = True


async def _given_up(connecting: asyncio.Task[Any]) -> None:
    await asyncio.sleep(0)  # It has begun.
    connecting.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(30):
            await connecting


async def test_a_cancellation_that_is_lost_on_the_way_is_sent_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def deaf(*_: Any, **__: Any) -> Any:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.Event().wait()

    monkeypatch.setattr(nats, "connect", deaf)
    await _given_up(asyncio.create_task(connect(URL, None, None, "test")))


async def test_a_connection_that_is_made_too_late_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    late = Connection()

    async def slow(*_: Any, **__: Any) -> Any:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return late

    monkeypatch.setattr(nats, "connect", slow)
    await _given_up(asyncio.create_task(connect(URL, None, None, "test")))
    assert late.is_closed
