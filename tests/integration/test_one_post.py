"""The network under fal's client takes headers that no text should have."""

import asyncio

import httpx

from adapters.one_post import OnePost

HEAD = (
    b"HTTP/1.1 200 OK\r\nServer: caf\xe9 \xff\r\nX-Odd: \xc2\x85\r\n"
    b"Content-Length: 2\r\nConnection: close\r\n\r\n{}"
)


async def test_an_accepted_post_is_no_lost_one_because_of_a_header() -> None:
    """Read as text they could not be written again: the paid job's id would be lost."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    transport = OnePost(2, seconds=5.0, connect_seconds=2.0)
    async with server, httpx.AsyncClient(transport=transport) as client:
        reply = await client.post(f"http://127.0.0.1:{port}/", content=b"")
    assert reply.status_code == 200
    assert reply.json() == {}
    assert "x-odd" in reply.headers
