"""A lean transport for httpx: HTTP/1.1 over connections that are kept open, nothing else.

httpx's own transport takes three to four times the CPU for a call, its client six times. This one
follows no redirects and knows no proxies: where those are needed, hand
`httpx.AsyncHTTPTransport(proxy=…)` to the client instead.
"""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import httpx

HEAD_BYTES_MAX = 64 * 1024
PART_BYTES_MAX = 64 * 1024
CONNECTIONS_MAX = 100
KEPT_SECONDS_MAX = 30.0
WAIT_SECONDS_DEFAULT = 30.0
WITHOUT_BODY = {204, 304}
CHUNK_SIZE_DIGITS_MAX = 8

Origin = tuple[str, str, int]
Fields = dict[bytes, bytes]  # An answer's headers, by their names in small letters.


class Connection:
    """One connection, with one request at a time on it."""

    def __init__(
        self, origin: Origin, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.origin, self.reader, self.writer = origin, reader, writer
        self.kept_since = 0.0
        self.can_be_kept = True

    @property
    def is_usable(self) -> bool:
        is_new = time.monotonic() - self.kept_since < KEPT_SECONDS_MAX
        return is_new and not self.writer.is_closing() and self._is_quiet()

    def _is_quiet(self) -> bool:
        """Whether nothing came unasked, as the 408 with which proxies end an idle connection."""
        reading = self.reader.read(1)
        try:
            reading.send(None)
        except (StopIteration, OSError):
            return False
        reading.close()  # It would have waited.
        return True

    def close(self) -> None:
        self.writer.close()


class Connections(httpx.AsyncBaseTransport):
    """Opens at most `connections_max` connections and keeps those that can be used again."""

    def __init__(
        self, *, connections_max: int = CONNECTIONS_MAX, tls: ssl.SSLContext | None = None
    ) -> None:
        self._free = asyncio.Semaphore(connections_max)
        self._kept: deque[Connection] = deque()
        self._tls = tls
        self._is_closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        timeouts = request.extensions.get("timeout", {})
        head, body = _head_of(request), await request.aread()
        if self._free.locked():
            await self._wait_for_one(request, timeouts)
        else:
            await self._free.acquire()
        connection = None
        try:
            connection = self._kept_one(_origin_of(request.url))
            if connection is None:
                connection = await self._opened(request, _seconds(timeouts, "connect"))
            return await self._asked(request, connection, head + body)
        except BaseException:
            self.give_back(connection, is_read=False)
            raise

    async def _asked(
        self, request: httpx.Request, connection: Connection, message: bytes
    ) -> httpx.Response:
        """Send, and read the head of the answer; its body too if that is short."""
        seconds = _seconds(request.extensions.get("timeout", {}), "read")
        with _as_httpx(request, httpx.ReadTimeout):
            async with asyncio.timeout(seconds):
                connection.writer.write(message)
                if len(message) > HEAD_BYTES_MAX:
                    await connection.writer.drain()
                status, fields = await _read_head(connection.reader)
                length = _length_of(request, status, fields)
                body = None
                if length is not None and length <= PART_BYTES_MAX:
                    body = await connection.reader.readexactly(length) if length else b""
        connection.can_be_kept = fields.get(b"connection", b"").lower() != b"close"
        if body is not None:
            self.give_back(connection, is_read=True)
            stream: httpx.AsyncByteStream = httpx.ByteStream(body)
        else:
            stream = Body(self, connection, request, _parts(connection, length, fields))
        return httpx.Response(status, headers=list(fields.items()), stream=stream, request=request)

    async def _wait_for_one(
        self, request: httpx.Request, timeouts: dict[str, float | None]
    ) -> None:
        with _as_httpx(request, httpx.PoolTimeout):
            async with asyncio.timeout(_seconds(timeouts, "pool")):
                await self._free.acquire()

    def give_back(self, connection: Connection | None, *, is_read: bool) -> None:
        """Keep the connection for the next request if its answer was read to the end."""
        self._free.release()
        if connection is None:
            return
        if is_read and connection.can_be_kept and not self._is_closed:
            connection.kept_since = time.monotonic()
            self._kept.append(connection)
        else:
            connection.close()

    async def aclose(self) -> None:
        """Close what is kept now, and what is still in use as soon as it is given back."""
        self._is_closed = True
        while self._kept:
            self._kept.pop().close()
        await asyncio.sleep(0)  # Their sockets are closed in the loop's next turn.

    def _kept_one(self, origin: Origin) -> Connection | None:
        for _ in range(len(self._kept)):
            connection = self._kept.pop()
            if not connection.is_usable:
                connection.close()
            elif connection.origin == origin:
                return connection
            else:
                self._kept.appendleft(connection)
        return None

    async def _opened(self, request: httpx.Request, seconds: float | None) -> Connection:
        origin = scheme, host, port = _origin_of(request.url)
        with _as_httpx(request, httpx.ConnectTimeout, httpx.ConnectError):
            async with asyncio.timeout(seconds):
                opened = await asyncio.open_connection(
                    host,
                    port,
                    limit=HEAD_BYTES_MAX,
                    ssl=self._context() if scheme == "https" else None,
                )
        return Connection(origin, *opened)

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = httpx.create_ssl_context()
        return self._tls


class Body(httpx.AsyncByteStream):
    """What follows the head of an answer. Its connection is given back when it ends."""

    def __init__(
        self,
        connections: Connections,
        connection: Connection,
        request: httpx.Request,
        parts: AsyncIterator[bytes],
    ) -> None:
        self._connections, self._connection = connections, connection
        self._request, self._parts = request, parts
        self._is_over = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        seconds = _seconds(self._request.extensions.get("timeout", {}), "read")
        while True:
            with _as_httpx(self._request, httpx.ReadTimeout):
                async with asyncio.timeout(seconds):
                    part = await anext(self._parts, None)
            if part is None:
                self._give_back(is_read=True)
                return
            yield part

    async def aclose(self) -> None:
        self._give_back(is_read=False)

    def _give_back(self, *, is_read: bool) -> None:
        if not self._is_over:
            self._is_over = True
            self._connections.give_back(self._connection, is_read=is_read)


def _length_of(request: httpx.Request, status: int, fields: Fields) -> int | None:
    """Return how long the body is; None where only its end will tell."""
    if request.method == "HEAD" or status in WITHOUT_BODY:
        return 0
    length = fields.get(b"content-length")
    if length is None or b"transfer-encoding" in fields:
        return None
    if not length.isdigit():
        raise httpx.RemoteProtocolError("the content-length is no number")
    return int(length)


def _parts(connection: Connection, length: int | None, fields: Fields) -> AsyncIterator[bytes]:
    if length is not None:
        return _sized(connection.reader, length)
    if (coding := fields.get(b"transfer-encoding")) is not None:
        if coding.lower() != b"chunked":
            raise httpx.RemoteProtocolError("the transfer-encoding is not chunked")
        return _chunked(connection.reader)
    connection.can_be_kept = False
    return _to_the_end(connection.reader)


async def _sized(reader: asyncio.StreamReader, length: int) -> AsyncIterator[bytes]:
    while length:
        part = await reader.readexactly(min(length, PART_BYTES_MAX))
        length -= len(part)
        yield part


async def _chunked(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while size := _chunk_size(await reader.readuntil(b"\r\n")):
        async for part in _sized(reader, size):
            yield part
        await reader.readexactly(2)
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass  # A trailer: nothing here has any.


def _chunk_size(line: bytes) -> int:
    digits = line.split(b";")[0].strip()
    if len(digits) > CHUNK_SIZE_DIGITS_MAX:
        raise httpx.RemoteProtocolError("a chunk is too large")
    return int(digits, 16)


async def _to_the_end(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while part := await reader.read(PART_BYTES_MAX):
        yield part


def _head_of(request: httpx.Request) -> bytes:
    target = request.extensions.get("target") or request.url.raw_path
    lines = [b"%b %b HTTP/1.1" % (request.method.encode("ascii"), target)]
    lines += [b"%b: %b" % field for field in request.headers.raw]
    head = b"\r\n".join([*lines, b"", b""])
    if head.count(b"\n") != len(lines) + 1 or b"\0" in head:
        raise ValueError("a header holds a line break")
    return head


async def _read_head(reader: asyncio.StreamReader) -> tuple[int, Fields]:
    """Return an answer's status and headers, passing over those of the 1xx kind."""
    status = 100
    while status < httpx.codes.OK:
        first, *lines = (await reader.readuntil(b"\r\n\r\n"))[:-4].split(b"\r\n")
        version, _, rest = first.partition(b" ")
        if not version.startswith(b"HTTP/1.") or not rest[:3].isdigit():
            raise httpx.RemoteProtocolError("the answer is not HTTP/1.1")
        status = int(rest[:3])
    fields = {}
    for line in lines:
        name, _, value = line.partition(b":")
        fields[name.lower()] = value.strip()
    return status, fields


def _origin_of(url: httpx.URL) -> Origin:
    return url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80)


def _seconds(timeouts: dict[str, float | None], name: str) -> float | None:
    return timeouts.get(name, WAIT_SECONDS_DEFAULT)


@contextmanager
def _as_httpx(
    request: httpx.Request,
    late: type[httpx.TimeoutException],
    lost: type[httpx.TransportError] = httpx.ReadError,
) -> Iterator[None]:
    """Raise what goes wrong in the terms of httpx."""
    try:
        yield
    except TimeoutError as error:
        raise late("no answer in time", request=request) from error
    except (asyncio.IncompleteReadError, OSError) as error:
        raise lost(str(error) or "the connection was closed", request=request) from error
    except (asyncio.LimitOverrunError, ValueError) as error:
        raise httpx.RemoteProtocolError(str(error), request=request) from error
