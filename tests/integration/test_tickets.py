"""Tickets in the real bucket: one stream, in time, and the same again after a short absence."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import nats
import pytest
from nats.aio.client import Client

from adapters.broker_setup import set_up
from application import clock
from contracts.events.account import Role
from contracts.ids import AccountId
from domain.refusals import Refused
from services.api.handlers import tickets as tickets_module
from services.api.handlers.callers import Caller
from services.api.handlers.tickets import LIFE_SECONDS, VALID_SECONDS, OpenTicket, Tickets
from tests.support.waiting import until

STREAM = "/api/stream"
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


@pytest.fixture(autouse=True)
def _short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tickets_module, "GRACE_SECONDS", 0.2)


@pytest.fixture
async def client(one_server: str) -> AsyncIterator[Client]:
    opened = await nats.connect(one_server)
    await set_up(opened, log_bytes_max=64 * 1024**2, replicas=1)
    yield opened
    await opened.close()


@pytest.fixture
async def tickets(client: Client) -> Tickets:
    return Tickets(client)


@asynccontextmanager
async def another_process(server: str) -> AsyncIterator[Tickets]:
    client = await nats.connect(server)
    yield Tickets(client)
    await client.close()


async def let_go(tickets: Tickets, opened: OpenTicket) -> None:
    tickets.leave(opened)
    await asyncio.gather(*tickets._tasks)


async def test_a_ticket_opens_its_stream_in_time_and_not_later(
    tickets: Tickets, time: Time
) -> None:
    text, expires_at = await tickets.issue(CALLER)
    assert expires_at == time.at + timedelta(seconds=VALID_SECONDS)
    time.passes(VALID_SECONDS - 1)
    assert await tickets.caller(text, STREAM) == CALLER
    await tickets.take(text, STREAM)
    late, _ = await tickets.issue(CALLER)
    time.passes(VALID_SECONDS + 1)
    for ask in (tickets.caller, tickets.take):
        with pytest.raises(Refused, match="too old"):
            await ask(late, STREAM)


async def test_it_opens_the_same_stream_again_unless_it_was_away_too_long(
    tickets: Tickets, time: Time
) -> None:
    text, _ = await tickets.issue(CALLER)
    for _ in range(5):
        await let_go(tickets, await tickets.take(text, STREAM))
        time.passes(VALID_SECONDS - 1)
    time.passes(2)
    with pytest.raises(Refused, match="too old"):
        await tickets.take(text, STREAM)


async def test_it_opens_no_other_stream(tickets: Tickets, time: Time) -> None:
    text, _ = await tickets.issue(CALLER)
    time.passes(1)
    await let_go(tickets, await tickets.take(text, STREAM))
    with pytest.raises(Refused, match="another stream"):
        await tickets.take(text, "/api/ws")
    with pytest.raises(Refused, match="unknown"):
        await tickets.take("made-up", STREAM)


async def test_it_opens_one_stream_at_a_time_at_whatever_process(
    tickets: Tickets, one_server: str
) -> None:
    text, _ = await tickets.issue(CALLER)
    opened = await tickets.take(text, STREAM)
    async with another_process(one_server) as other:
        for process in (tickets, other):
            with pytest.raises(Refused, match="open already"):
                await process.take(text, STREAM)
        await let_go(tickets, opened)
        taken = await other.take(text, STREAM)
        with pytest.raises(Refused, match="open already"):
            await tickets.take(text, STREAM)
        await let_go(other, taken)


async def test_of_many_that_open_it_at_the_same_moment_one_does(
    tickets: Tickets, one_server: str
) -> None:
    text, _ = await tickets.issue(CALLER)
    async with another_process(one_server) as other:
        tries = [process.take(text, STREAM) for process in (tickets, other) for _ in range(3)]
        ends = await asyncio.gather(*tries, return_exceptions=True)
    assert len([end for end in ends if isinstance(end, OpenTicket)]) == 1
    assert len([end for end in ends if isinstance(end, Refused)]) == 5


async def test_what_a_dead_process_had_open_is_opened_again_at_once(
    tickets: Tickets, one_server: str
) -> None:
    text, _ = await tickets.issue(CALLER)
    async with another_process(one_server) as other:
        opened = await other.take(text, STREAM)
    assert await tickets.take(text, STREAM)
    del opened


async def test_a_client_that_went_before_its_first_frame_holds_nothing(tickets: Tickets) -> None:
    text, _ = await tickets.issue(CALLER)
    opened = await tickets.take(text, STREAM)
    del opened
    assert await tickets.take(text, STREAM)


async def test_an_open_stream_keeps_its_ticket_for_an_hour_in_all(
    tickets: Tickets, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tickets_module, "RENEW_SECONDS", 0.01)
    text, _ = await tickets.issue(CALLER)
    opened, ended = await tickets.take(text, STREAM), asyncio.Event()
    keeping = asyncio.create_task(tickets.keep(opened, ended.set))
    for _ in range(LIFE_SECONDS // 50 - 1):
        time.passes(50)
        await _renewed(tickets, text)
    assert not ended.is_set()
    await let_go(tickets, opened)
    keeping.cancel()
    opened = await tickets.take(text, STREAM)
    keeping = asyncio.create_task(tickets.keep(opened, ended.set))
    time.passes(51)
    async with asyncio.timeout(60):
        await ended.wait()
    with pytest.raises(Refused, match="too old"):
        await tickets.take(text, STREAM)
    await keeping


async def _renewed(tickets: Tickets, text: str) -> None:
    """Wait until the ticket is good for the time of an absence from now on."""

    async def is_renewed() -> bool:
        found = await tickets._read(text)
        assert found is not None
        absence_ends_at = clock.now() + timedelta(seconds=VALID_SECONDS)
        return found[0].expires_at >= min(absence_ends_at, found[0].ends_at)

    await until(is_renewed)


async def test_a_stream_whose_ticket_another_process_took_over_ends(
    tickets: Tickets, one_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tickets_module, "RENEW_SECONDS", 0.05)
    text, _ = await tickets.issue(CALLER)
    async with another_process(one_server) as other:
        opened, ended = await other.take(text, STREAM), asyncio.Event()
        keeping = asyncio.create_task(other.keep(opened, ended.set))
        monkeypatch.setattr(other, "_opened", {})  # It answers no more, as if it were cut off.
        taken = await tickets.take(text, STREAM)
        async with asyncio.timeout(60):
            await ended.wait()
        await keeping
    assert taken.name != opened.name
