"""Tickets in the real bucket: one stream, in time, and the same again after a short absence."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import nats
import pytest

from adapters import clock
from adapters.broker_setup import set_up
from contracts.events.account import Role
from contracts.ids import AccountId
from domain.refusals import Refused
from services.api.handlers.authenticate_callers import Caller
from services.api.handlers.issue_tickets import VALID_SECONDS, Tickets

CALLER = Caller(AccountId("demo"), Role.USER, "t-1")


class Time:
    def __init__(self) -> None:
        self.at = datetime(2026, 1, 1, tzinfo=UTC)

    def passes(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@pytest.fixture
def time() -> Iterator[Time]:
    found = Time()
    clock.use(lambda: found.at)
    yield found
    clock.use()


@pytest.fixture
async def tickets(one_server: str) -> AsyncIterator[Tickets]:
    client = await nats.connect(one_server)
    await set_up(client, log_bytes_max=64 * 1024**2, replicas=1)
    yield Tickets(client)
    await client.close()


async def test_a_ticket_opens_its_stream_in_time_and_not_later(
    tickets: Tickets, time: Time
) -> None:
    text, expires_at = await tickets.issue(CALLER)
    assert expires_at == time.at + timedelta(seconds=VALID_SECONDS)
    time.passes(VALID_SECONDS - 1)
    assert await tickets.use(text, "/api/stream") == CALLER
    late, _ = await tickets.issue(CALLER)
    time.passes(VALID_SECONDS + 1)
    with pytest.raises(Refused, match="too old"):
        await tickets.use(late, "/api/stream")


async def test_it_opens_the_same_stream_again_unless_it_was_away_too_long(
    tickets: Tickets, time: Time
) -> None:
    text, _ = await tickets.issue(CALLER)
    for _ in range(5):
        await tickets.use(text, "/api/stream")
        time.passes(VALID_SECONDS - 1)
    time.passes(2)
    with pytest.raises(Refused):
        await tickets.use(text, "/api/stream")


async def test_it_opens_no_other_stream(tickets: Tickets, time: Time) -> None:
    text, _ = await tickets.issue(CALLER)
    time.passes(1)
    await tickets.use(text, "/api/stream")
    with pytest.raises(Refused, match="another stream"):
        await tickets.use(text, "/api/ws")
    with pytest.raises(Refused, match="unknown"):
        await tickets.use("made-up", "/api/stream")
