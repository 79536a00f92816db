"""Connections are used again only where that is safe, and none outlives the client."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from darkroom_client import Darkroom, Patience, Problem

CREDITS = b'{"available":1,"held":0,"spent":0,"granted":1,"revoked":0,"as_of":"a.1.0"}'
ONCE = Patience(attempts_max=1)
Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def a_server(answer: Answering) -> AsyncIterator[str]:
    """Serve each connection in a way of its own, after the head of its first request."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await answer(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def answered(status: int, body: bytes, *fields: bytes) -> bytes:
    lines = [b"HTTP/1.1 %d X" % status, b"Content-Length: %d" % len(body), *fields]
    return b"\r\n".join([*lines, b"", body])


async def test_what_comes_on_an_idle_connection_is_not_taken_for_an_answer() -> None:
    unasked = asyncio.Event()

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answered(200, CREDITS))
        await unasked.wait()
        writer.write(answered(408, b"", b"Connection: close"))

    async with a_server(answer) as url, Darkroom(url, "t", patience=ONCE) as client:
        await client.credits.show()
        unasked.set()
        (kept,) = client._calls._transport._kept  # type: ignore[attr-defined]
        async with asyncio.timeout(5):
            while kept.is_usable:
                await asyncio.sleep(0.01)
        assert (await client.credits.show()).available == 1


async def test_a_connection_that_is_in_use_while_the_client_closes_is_closed_after_it() -> None:
    asked, closing, closed = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await closing.wait()
        writer.write(answered(200, CREDITS))
        await reader.read()
        closed.set()

    async with a_server(answer) as url:
        client = Darkroom(url, "t", patience=ONCE)
        call = asyncio.create_task(client.credits.show())
        await asked.wait()
        await client.close()
        closing.set()
        assert (await call).available == 1
        async with asyncio.timeout(5):
            await closed.wait()


@pytest.mark.parametrize(
    ("given", "meant"),
    [("7", 7.0), ("\xb2", None), ("-1", None), ("1e9", None), ("soon", None), ("", None)],
)
async def test_a_retry_after_is_a_number_or_nothing(given: str, meant: float | None) -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answered(503, b"", b"Retry-After: " + given.encode("latin-1")))

    async with a_server(answer) as url, Darkroom(url, "t", patience=ONCE) as client:
        with pytest.raises(Problem) as refused:
            await client.credits.show()
    assert refused.value.retry_after == meant
