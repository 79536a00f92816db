"""Relays the provider's webhooks to the ingestor, byte for byte and unparsed, without Litestar or
an HTTP client: so relaying costs at most a tenth of what a job costs.
"""

import asyncio
import ssl
from typing import Any
from urllib.parse import urlsplit

import httptools
from litestar import Response, post
from litestar.params import FromPath
from msgspec import Struct

from adapters.http_server import Receive, Send
from application.documents import WebhookRecorded
from contracts.webhook_path import job_of_webhook, webhook_path
from domain.refusals import Refused

BODY_BYTES_MAX = 512 * 1024
BYTES_HELD_MAX = 64 * 1024**2  # Of all bodies that are being relayed.
ANSWER_BYTES_MAX = 64 * 1024
CONNECTIONS_MAX = 64
CONNECT_SECONDS = 2.0
RELAY_SECONDS = 15.0
IDLE_SECONDS = 30.0  # Less than the ingestor's own: it never closes what is just being used.
PASSED = {b"content-type", b"user-agent"}
PASSED_PREFIX = b"x-fal-"
PASSED_BACK = {b"content-type", b"retry-after"}


@post("/webhook/{id:str}", status_code=200, request_max_body_size=BODY_BYTES_MAX)
async def relay_webhook(id: FromPath[str]) -> Response[WebhookRecorded]:
    """The provider's callback: its envelope, as sent. Answered with the ingestor's answer; 503
    when it is away, so that the provider sends it again.
    """
    raise Refused("not_found", f"there is no job {id[:64]!r}")  # Others were relayed before.


class IngestorAnswer(Struct):
    """The ingestor's answer: what is sent back of it."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = []
    body: bytes = b""


class IngestorConnection(asyncio.Protocol):
    """One kept connection to the ingestor, one webhook at a time."""

    def __init__(self) -> None:
        self.is_open = True
        self.is_kept = False
        self.idle_since = 0.0
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._coming = IngestorAnswer()
        self._answer: asyncio.Future[IngestorAnswer] | None = None

    async def ask(self, request: bytes) -> IngestorAnswer:
        """Send a whole request; raise ConnectionError when its answer does not come."""
        if self._transport is None or not self.is_open:
            raise ConnectionError("the connection is gone")
        self._coming = IngestorAnswer()
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        self.is_open = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError(f"the ingestor went: {exc!r}"))

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()  # No answer can be trusted after that.

    def on_header(self, name: bytes, value: bytes) -> None:
        if (lower := name.lower()) in PASSED_BACK:
            self._coming.headers.append((lower, value))

    def on_body(self, body: bytes) -> None:
        self._coming.body += body
        if len(self._coming.body) > ANSWER_BYTES_MAX:
            raise ConnectionError("the answer is too large")  # Stops the parser.

    def on_message_complete(self) -> None:
        self._coming.status = self._parser.get_status_code()
        self.is_kept = self._parser.should_keep_alive()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(self._coming)


class Relay:
    """Relays over a few connections to the ingestor that are kept open. A POST is sent once: if the
    ingestor may have taken it, the provider repeats it.
    """

    def __init__(self, ingestor_url: str) -> None:
        parts = urlsplit(ingestor_url)
        self._is_there = bool(ingestor_url)
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._name = parts.hostname or ""
        self._port = parts.port or (443 if self._tls else 80)
        self._prefix = parts.path.rstrip("/").encode()
        self._host = parts.netloc.encode()
        self._idle: list[IngestorConnection] = []
        self._free = asyncio.Semaphore(CONNECTIONS_MAX)
        self._held_bytes = 0

    def takes(self, scope: Any) -> bool:
        return scope["method"] == "POST" and job_of_webhook(scope["path"]) is not None

    def close(self) -> None:
        for line in self._idle:
            line.close()

    async def answer(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer what the ingestor answers; raise Refused when it does not answer."""
        if not self._is_there:
            raise Refused("unavailable", "webhooks are not taken at this address")
        body = bytearray()
        try:
            await self._read(scope, receive, body)
            answer = await self._relayed(self._head(scope, len(body)) + body)
        finally:
            self._held_bytes -= len(body)
        headers = [*answer.headers, (b"content-length", str(len(answer.body)).encode())]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _read(self, scope: Any, receive: Receive, body: bytearray) -> None:
        """Read within the limits, of one body and of all."""
        for name, value in scope["headers"]:
            if name == b"content-length" and int(value) > BODY_BYTES_MAX:
                raise _too_large()
        while True:
            message = await receive()
            self._held_bytes += len(message["body"])
            body += message["body"]
            if len(body) > BODY_BYTES_MAX:
                raise _too_large()
            if self._held_bytes > BYTES_HELD_MAX:
                raise Refused("unavailable", "too much is being relayed: send it again")
            if not message.get("more_body", False):
                return

    def _head(self, scope: Any, length: int) -> bytes:
        path = webhook_path(job_of_webhook(scope["path"]) or "").encode()
        query = b"?" + scope["query_string"] if scope["query_string"] else b""
        lines = [
            b"POST %s%s%s HTTP/1.1" % (self._prefix, path, query),
            b"host: " + self._host,
            b"content-length: %d" % length,
        ]
        lines += [
            name + b": " + value
            for name, value in scope["headers"]
            if name in PASSED or name.startswith(PASSED_PREFIX)
        ]
        return b"\r\n".join([*lines, b"", b""])

    async def _relayed(self, request: bytes) -> IngestorAnswer:
        line: IngestorConnection | None = None
        try:
            async with asyncio.timeout(RELAY_SECONDS), self._free:
                line = await self._line()
                answer = await line.ask(request)
        except (OSError, TimeoutError) as error:
            raise Refused("unavailable", "the ingestor does not answer: send it again") from error
        else:
            self._keep(line)
            line = None
            return answer
        finally:
            if line is not None:
                line.close()

    async def _line(self) -> IngestorConnection:
        loop = asyncio.get_running_loop()
        while self._idle:
            line = self._idle.pop()
            if line.is_open and loop.time() - line.idle_since < IDLE_SECONDS:
                return line
            line.close()
        async with asyncio.timeout(CONNECT_SECONDS):
            _, line = await loop.create_connection(
                IngestorConnection, self._name, self._port, ssl=self._tls
            )
        return line

    def _keep(self, line: IngestorConnection) -> None:
        if line.is_open and line.is_kept:
            line.idle_since = asyncio.get_running_loop().time()
            self._idle.append(line)
        else:
            line.close()


def _too_large() -> Refused:
    return Refused("too_large", f"a webhook has at most {BODY_BYTES_MAX} bytes")
