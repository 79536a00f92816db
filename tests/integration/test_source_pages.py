"""Source pages: read by a child process, and no page can hold it up or make it swell."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from services.dispatcher import source_pages
from services.dispatcher.source_pages import PageUnreadable, read_page

TEXT = "Coral reefs shelter a quarter of all marine species. Half of them were lost since 1950."
PAGE = f"<html><body><article><h1>Reefs</h1><p>{TEXT}</p><p>{TEXT}</p></article></body></html>"
Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


async def drip(writer: asyncio.StreamWriter) -> None:
    """One byte every now and then: no single read times out."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
    for _ in range(1000):
        writer.write(b"<")
        await writer.drain()
        await asyncio.sleep(0.2)


HTML = "Content-Type: text/html; charset=utf-8"
ANSWERS: dict[str, bytes] = {
    "/good": answer(PAGE.encode(), HTML),
    "/deep": answer(b"<div>" * 200_000 + TEXT.encode(), HTML),
    "/large": answer(b"x" * 3_000_000, HTML),
    "/bomb": answer(gzip.compress(b"<p>" * 30_000_000), HTML, "Content-Encoding: gzip"),
    "/empty": answer(b"<html><body></body></html>", HTML),
    "/picture": answer(b"GIF89a", "Content-Type: image/gif"),
    "/missing": answer(b"no", HTML, status="404 Not Found"),
    "/inwards": answer(b"", "Location: http://169.254.169.254/", status="302 Found"),
    "/round": answer(b"", "Location: /round", status="302 Found"),
}


@pytest.fixture
async def host() -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        try:
            if path == "/drip":
                await drip(writer)
            writer.write(ANSWERS.get(path, ANSWERS["/missing"]))
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_page_is_read_as_text(host: str) -> None:
    text = await read_page(f"http://{host}/good", frozenset({host}))
    assert TEXT in text
    assert "<" not in text


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/deep", "nested too deeply"),
        ("/large", "too large"),
        ("/bomb", "too large"),
        ("/empty", "no readable text"),
        ("/picture", "not text"),
        ("/missing", "answered 404"),
        ("/inwards", "not allowed"),
        ("/round", "could not be reached"),
    ],
)
async def test_a_page_that_will_not_do_says_why(host: str, path: str, reason: str) -> None:
    with pytest.raises(PageUnreadable, match=reason):
        await read_page(f"http://{host}{path}", frozenset({host}))


async def test_a_private_address_is_not_reached_unless_it_is_allowed(host: str) -> None:
    with pytest.raises(PageUnreadable, match="not allowed"):
        await read_page(f"http://{host}/good", frozenset())


async def test_a_page_that_never_ends_is_given_up_and_its_child_is_gone(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_pages, "READ_SECONDS", 1.5)
    with pytest.raises(PageUnreadable, match="took too long"):
        await read_page(f"http://{host}/drip", frozenset({host}))
