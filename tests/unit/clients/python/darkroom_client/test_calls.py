"""Whatever a server answers, a call ends in time, with an answer or an error of the client's."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from darkroom_client import BadAnswer, Darkroom, Patience, Problem, Unreachable, calls

HEAD = b"HTTP/1.1 %d x\r\nConnection: close\r\n"
ONCE = Patience(attempts_max=1)


class Answering:
    """A server with one answer for all, in pieces; `rest` is sent again and again behind it."""

    def __init__(self) -> None:
        self.first = self.rest = b""
        self.url = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(self.first)
        while self.rest and not writer.is_closing():
            writer.write(self.rest)
            await asyncio.sleep(0.01)
        writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Answering]:
    found = Answering()
    listening = await asyncio.start_server(found.answer, "127.0.0.1", 0)
    host, port = listening.sockets[0].getsockname()
    found.url = f"http://{host}:{port}"
    async with listening:
        yield found


async def show_credits(server: Answering) -> object:
    async with asyncio.timeout(10), Darkroom(server.url, "t", patience=ONCE) as darkroom:
        return await darkroom.credits.show()


@pytest.mark.parametrize("status", [200, 422])
async def test_an_answer_that_comes_in_drops_ends(
    server: Answering, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "ANSWER_SECONDS_MAX", 0.3)
    server.first = HEAD % status + b"Transfer-Encoding: chunked\r\n\r\n"
    server.rest = b"1\r\n \r\n"
    with pytest.raises(Unreachable, match="did not end in time"):
        await show_credits(server)


async def test_a_pause_that_is_no_number_is_none(server: Answering) -> None:
    server.first = HEAD % 503 + b"Retry-After: \xb2\r\n\r\n"
    with pytest.raises(Problem) as raised:
        await show_credits(server)
    assert raised.value.retry_after is None


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_an_answer_that_leads_elsewhere_is_an_error(server: Answering, status: int) -> None:
    server.first = HEAD % status + b"Location: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"
    with pytest.raises(BadAnswer, match="not followed"):
        await show_credits(server)


@pytest.mark.parametrize("status", [200, 422])
@pytest.mark.parametrize("body", [b'{"x":' + b"[" * 50_000, b'{"as_of":"\xff","code":"\xff"}'])
async def test_json_that_is_too_deep_or_no_utf_8_is_an_error_of_ours(
    server: Answering, status: int, body: bytes
) -> None:
    server.first = HEAD % status + b"Content-Length: %d\r\n\r\n" % len(body) + body
    with pytest.raises(BadAnswer if status == httpx.codes.OK else Problem):
        await show_credits(server)
