"""A relay in front of a server, which loses, cuts, silences or invents answers as it is told."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from msgspec import Struct

PART_BYTES = 65536


class Asked(Struct, frozen=True):
    """A request that came by."""

    method: str
    target: str
    headers: dict[str, str]
    raw: bytes

    @property
    def is_stream(self) -> bool:
        return self.target.partition("?")[0].endswith("/stream")


class Relay:
    """One request a connection. `asked` keeps what came by."""

    def __init__(self, url: str) -> None:
        where = urlsplit(url)
        self._target = (where.hostname or "", where.port or 80)
        self.url = ""
        self.asked: list[Asked] = []
        self.answers: deque[bytes] = deque()  # For the next requests, which go no further.
        self.lost = 0  # How many of the next answers get lost.
        self.has_streams = True  # Else their requests are cut.
        self.is_silent = False  # Streams are open, and nothing comes.
        self._tasks: set[asyncio.Task[None]] = set()

    def cut(self) -> None:
        """End all connections that are open."""
        for task in self._tasks:
            task.cancel()

    @property
    def keys(self) -> list[str]:
        return [each.headers.get("idempotency-key", "") for each in self.asked]

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._answer(await _read(reader), writer)
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        self.asked.append(asked)
        if asked.is_stream and not self.has_streams:
            return
        if self.answers and not asked.is_stream:
            writer.write(self.answers.popleft())
            await writer.drain()
            return
        is_lost = self.lost > 0 and not asked.is_stream
        self.lost -= is_lost
        back, forth = await asyncio.open_connection(*self._target)
        try:
            forth.write(asked.raw)
            while part := await back.read(PART_BYTES):
                if not is_lost and not (asked.is_stream and self.is_silent):
                    writer.write(part)
                    await writer.drain()
        finally:
            forth.close()

    async def wait_until_idle(self) -> None:
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _read(reader: asyncio.StreamReader) -> Asked:
    """Return the request as it is sent on: its connection is used for no other."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
    pairs = (line.partition(": ") for line in lines)
    headers = {name.lower(): value for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    method, target, _ = first.split(" ")
    raw = "\r\n".join([first, *lines, "Connection: close", "", ""]).encode() + body
    return Asked(method, target, headers, raw)


@asynccontextmanager
async def a_relay(url: str) -> AsyncIterator[Relay]:
    relay = Relay(url)
    server = await asyncio.start_server(relay.relay, "127.0.0.1", 0)
    relay.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield relay
    finally:
        server.close()
        relay.cut()
        await relay.wait_until_idle()
        await server.wait_closed()


def problem_answer(status: int, code: str, retry_after: str = "0") -> bytes:
    """Return a refusal as it goes over the wire."""
    body = (
        f'{{"type":"urn:x","title":"{code}","status":{status},"code":"{code}","detail":"a test"}}'
    )
    return (
        f"HTTP/1.1 {status} Refused\r\nContent-Type: application/problem+json\r\n"
        f"Retry-After: {retry_after}\r\nContent-Length: {len(body)}\r\n"
        f"Connection: close\r\n\r\n{body}"
    ).encode()
