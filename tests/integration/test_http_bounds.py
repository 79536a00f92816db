"""Bounds of a listener, from outside: raw connections to a real server."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from threading import Thread
from typing import Any, Self

import pytest
import uvloop

from adapters import http_server
from adapters.http_bounds import HEADERS_MAX, PIPELINED_MAX
from adapters.http_door import Bounds
from adapters.http_server import serve
from cli.world import free_port
from tests.support.waiting import until

QUICK = Bounds(head_seconds=0.5, body_seconds=0.5, stalled_seconds=1.0)
FEW = Bounds(connections_max=3, connections_per_address_max=2)
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
GET_AND_CLOSE = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
STREAM_PAUSE_SECONDS = 0.25  # Eight of them are longer than every limit of QUICK.
START: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": []}


class App:
    """Reads the body, then answers; what it answers depends on the path."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.fed_bytes = 0
        self.begun = self.ended = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.begun += 1
        try:
            await self._answer(scope, receive, send)
        finally:
            self.ended += 1

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.accept"})
            while (await receive())["type"] != "websocket.disconnect":
                continue
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message["body"]
            more = message.get("more_body", False)
        self.bodies.append(body)
        await send(START)
        if scope["path"] == "/stream":
            for _ in range(8):
                await send({"type": "http.response.body", "body": b"tick;", "more_body": True})
                await asyncio.sleep(STREAM_PAUSE_SECONDS)
        if scope["path"] == "/endless":
            await self._feed(receive, send)
        await send({"type": "http.response.body", "body": b"done"})

    async def _feed(self, receive: Any, send: Any) -> None:
        gone = asyncio.ensure_future(receive())
        while not gone.done():
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
            self.fed_bytes += 65536


@pytest.fixture(autouse=True)
def _looks_at_connections_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "TICKS_A_SECOND", 1)  # At each tick, not at each tenth.


@asynccontextmanager
async def listener(bounds: Bounds) -> AsyncIterator[tuple[App, int]]:
    """Serve in a thread, on the loop that the services run on."""
    app, port = App(), free_port()
    begun: Future[Callable[[], Any]] = Future()

    async def run() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        begun.set_result(partial(loop.call_soon_threadsafe, stop.set))
        await serve(app, "127.0.0.1", port, stop, bounds, sockets=True)

    thread = Thread(target=lambda: uvloop.run(run()))
    thread.start()
    await until(lambda: answers(port))
    app.bodies.clear()
    try:
        yield app, port
    finally:
        begun.result()()
        await asyncio.to_thread(thread.join)


class Client:
    """A raw connection."""

    def __init__(self, port: int, source: str = "127.0.0.1") -> None:
        self._port, self._source = port, source

    async def __aenter__(self) -> Self:
        opened = asyncio.open_connection("127.0.0.1", self._port, local_addr=(self._source, 0))
        self.reader, self.writer = await opened
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.transport.abort()

    async def ask(self, request: bytes) -> bytes:
        """Send; return everything up to the end of the connection."""
        self.writer.write(request)
        async with asyncio.timeout(30):
            return await self.reader.read()

    async def status(self, request: bytes = GET) -> int:
        self.writer.write(request)
        async with asyncio.timeout(30):
            return int((await self.reader.readuntil(b"\r\n\r\n"))[9:12])


async def answers(port: int) -> bool:
    """Ask once; the connection has given its place back when its end is seen here."""
    try:
        async with Client(port) as client:
            return b"done" in await client.ask(GET_AND_CLOSE)
    except ConnectionRefusedError:
        return False


async def are_let_in(clients: list[Client]) -> bool:
    """Whether all of them get an answer, at the same time."""
    try:
        async with AsyncExitStack() as opened:
            for each in clients:
                await opened.enter_async_context(each)
            return [await each.status() for each in clients] == [200] * len(clients)
    except (ConnectionError, asyncio.IncompleteReadError):
        return False


def problem(answer: bytes, status: int, code: str) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode()), answer
    assert b"content-type: application/problem+json" in head
    assert json.loads(body)["code"] == code


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nX: " + b"x" * 4_000_000,
        b"GET / HTTP/1.1\r\nX: " + b"x" * 40_000 + b"\r\n\r\n",
        b"GET /?" + b"x" * 40_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a:b\r\n" * (HEADERS_MAX + 2),
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + b"a:b\r\n" * 200,
    ],
    ids=["endless", "one header", "path", "many", "trailers"],
)
async def test_a_head_that_is_too_large_is_refused(head: bytes) -> None:
    async with listener(Bounds()) as (app, port):
        async with Client(port) as client:
            answer = await client.ask(head)
            if b"chunked" in head:
                assert answer == b""  # Its answer had begun, in which nothing else fits.
            else:
                problem(answer, 431, "head_too_large")
        assert app.bodies == []


async def test_a_head_that_comes_in_pieces_and_in_time_is_taken() -> None:
    async with listener(Bounds()) as (_, port), Client(port) as client:
        for number in range(HEADERS_MAX // 2):
            client.writer.write(b"GET / HTTP/1.1\r\n" if not number else b"X-%d: y\r\n" % number)
            await client.writer.drain()
            await asyncio.sleep(0.001)
        assert await client.status(b"\r\n") == 200
        assert await client.reader.readuntil(b"0\r\n\r\n") == b"4\r\ndone\r\n0\r\n\r\n"
        assert await client.status() == 200  # The next one is counted from the start.


async def test_a_head_that_takes_too_long_is_a_408_however_it_drips() -> None:
    async with listener(QUICK) as (_, port), Client(port) as client:
        dripping = asyncio.create_task(_drip(client))
        problem(await client.reader.read(), 408, "too_slow")
        dripping.cancel()


async def _drip(client: Client) -> None:
    client.writer.write(b"GET / HTTP/1.1\r\n")
    while True:
        client.writer.write(b"X: y\r\n")
        await asyncio.sleep(0.1)


@pytest.mark.parametrize("said", [b"", b"\r\n"], ids=["nothing", "empty lines"])
async def test_who_asks_for_nothing_is_shut_out(said: bytes) -> None:
    async with listener(QUICK) as (_, port), Client(port) as client:
        assert b"200" not in await client.ask(said)


async def test_a_second_request_has_to_arrive_in_time_too() -> None:
    async with listener(QUICK) as (_, port), Client(port) as client:
        assert await client.status() == 200
        await client.reader.readuntil(b"0\r\n\r\n")
        problem(await client.ask(b"GET / HT"), 408, "too_slow")


async def test_a_body_that_takes_too_long_ends_the_connection_and_is_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with listener(QUICK) as (app, port), Client(port) as client:
        head = b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n"
        assert await client.ask(head + b"x" * 99) == b""
    assert app.bodies == []
    assert [each for each in caplog.records if each.levelno >= logging.ERROR] == []


async def test_a_body_that_is_cut_off_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async with listener(Bounds()) as (app, port):
        begun = app.begun
        async with Client(port) as client:
            client.writer.write(b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nx")
            await until(lambda: app.begun > begun)
        await until(lambda: app.ended == app.begun)
    assert app.bodies == []
    assert [each for each in caplog.records if each.levelno >= logging.ERROR] == []


async def test_a_stream_outlives_every_time_limit() -> None:
    async with listener(QUICK) as (_, port), Client(port) as client:
        request = b"GET /stream HTTP/1.1\r\nConnection: close\r\n\r\n"
        answer = await client.ask(request)
        assert answer.count(b"tick;") == 8
        assert b"done" in answer


async def test_a_reader_that_takes_nothing_holds_little_and_is_ended() -> None:
    async with listener(QUICK) as (app, port), Client(port) as client:
        client.writer.write(b"GET /endless HTTP/1.1\r\n\r\n")
        await until(lambda: app.fed_bytes)
        await until(lambda: app.ended == app.begun)  # Though nothing was read here.
        assert app.fed_bytes < 30_000_000  # What the kernel's buffers take, and no more.
        assert not (await client.ask(b"")).endswith(b"0\r\n\r\n")


async def test_as_many_may_come_as_there_is_room_for() -> None:
    async with listener(FEW) as (_, port), Client(port) as first, Client(port) as second:
        assert [await first.status(), await second.status()] == [200, 200]
        async with Client(port) as third:
            problem(await third.reader.read(), 503, "too_many_connections")
        async with Client(port, "127.0.0.2") as other:
            assert await other.status() == 200
            async with Client(port, "127.0.0.3") as last:
                problem(await last.reader.read(), 503, "too_many_connections")
        second.writer.close()
        await until(lambda: are_let_in([Client(port)]))


async def test_a_socket_takes_one_place_and_gives_it_back() -> None:
    upgrade = (
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    async with listener(FEW) as (_, port):
        async with Client(port) as first, Client(port) as second:
            assert [await first.status(upgrade), await second.status(upgrade)] == [101, 101]
            async with Client(port) as third:
                problem(await third.reader.read(), 503, "too_many_connections")
        await until(lambda: are_let_in([Client(port), Client(port)]))


async def test_only_so_many_requests_wait_behind_one() -> None:
    async with listener(Bounds()) as (app, port):
        async with Client(port) as client:
            answer = await client.ask(GET.replace(b"/ ", b"/stream ") + GET * (PIPELINED_MAX + 1))
            assert answer.count(b"HTTP/1.1 200") <= 1
        assert len(app.bodies) == 1


async def test_without_a_limit_for_one_address_all_may_come_from_it() -> None:
    bounds = Bounds(connections_max=3, connections_per_address_max=0)
    async with listener(bounds) as (_, port), AsyncExitStack() as opened:
        clients = [await opened.enter_async_context(Client(port)) for _ in range(3)]
        assert [await each.status() for each in clients] == [200] * 3
