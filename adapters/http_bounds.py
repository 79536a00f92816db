"""Connections within bounds: how much a connection may send, and how long it may take. uvicorn
counts no headers and has one timeout, for idle connections. Here each open connection is checked
once a second, and ended when the rest of a request is missing for too long, or when its client
reads nothing of the answer for too long. A stream that is being read is never ended.
"""

import asyncio
from enum import Enum, auto
from http import HTTPStatus
from typing import Any

import msgspec
import prometheus_client
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from adapters.http_door import Door
from adapters.problems import PROBLEM_TYPE, STATUSES, problem_of
from adapters.refusal_log import note_refusal
from application.clock import fresh_commit_id
from domain.refusals import Refused

HEAD_BYTES_MAX = 32 * 1024
HEADERS_MAX = 100
PIPELINED_MAX = 8
UNSENT_SOCKET_BYTES_MAX = 4 * 1024**2
LINGER_SECONDS = 2.0

ENDED = prometheus_client.Counter(
    "darkroom_connections_ended_total", "Connections that a bound has ended", ["code"]
)

TOO_LARGE = Refused("head_too_large", f"{HEAD_BYTES_MAX} bytes and {HEADERS_MAX} headers at most")
TOO_SLOW = Refused("too_slow", "the request did not arrive in time")
TOO_MANY = Refused("too_many_connections", "come again in a moment")
NO_HTTP = Refused("unparsable", "this is not HTTP/1.1")


class _Outflow:
    """Ends a connection whose client reads nothing at all; one that reads slowly is left alone."""

    def __init__(self, now: float) -> None:
        self._moved_at = now
        self._unsent = 0

    def end_if_stalled(self, transport: asyncio.Transport, now: float, seconds: float) -> None:
        unsent = transport.get_write_buffer_size()
        if unsent == 0 or unsent < self._unsent:
            self._moved_at = now
        self._unsent = unsent
        if now - self._moved_at > seconds:
            ENDED.labels("stalled").inc()
            transport.abort()


class _Owes(Enum):
    """Which part of a request has yet to arrive: none while idle, or while it is answered."""

    NOTHING = auto()
    HEAD = auto()
    BODY = auto()


class _OverLimit(Exception):
    """Raised inside of the parser, which then stops."""


class BoundedHttp(HttpToolsProtocol):
    """One connection, until it goes or becomes a WebSocket."""

    server_state: Door
    _refused_at: float | None = None
    _refusal = NO_HTTP
    _place: str | None = None
    _owes = _Owes.HEAD
    _head_bytes = 0  # As given to the parser, which reports a header only when it is whole.
    _counted_bytes = 0  # As reported by the parser, which may get many bytes at once.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._since = self.loop.time()
        self._outflow = _Outflow(self._since)
        self._place = self.server_state.enter(transport)
        if self._place is None:
            self._refuse(TOO_MANY)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused_at is not None:
            return
        if self._owes is _Owes.NOTHING:
            self._owes, self._since = _Owes.HEAD, self.loop.time()
        if self._owes is _Owes.HEAD:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._owes is _Owes.HEAD and self._head_bytes > HEAD_BYTES_MAX:
            self._refuse(TOO_LARGE)

    def handle_websocket_upgrade(self) -> None:
        self._leave()
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        del msg
        self._refuse(self._refusal)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._counted_bytes = 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._count(len(name) + len(value))

    def on_headers_complete(self) -> None:
        if len(self.pipeline) >= PIPELINED_MAX:
            raise self._over_limit()
        super().on_headers_complete()
        self._owes, self._since = _Owes.BODY, self.loop.time()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._owes, self._head_bytes = _Owes.NOTHING, 0

    def end_if_late(self, now: float) -> None:
        bounds = self.server_state.bounds
        if self._refused_at is not None:
            if now - self._refused_at > LINGER_SECONDS:
                self.transport.abort()
            return
        self._outflow.end_if_stalled(self.transport, now, bounds.stalled_seconds)
        if self.flow.read_paused:
            self._since = now  # The client does not owe it: we have paused reading.
        seconds = bounds.head_seconds if self._owes is _Owes.HEAD else bounds.body_seconds
        if self._owes is not _Owes.NOTHING and now - self._since > seconds:
            self._refuse(TOO_SLOW)

    def _leave(self) -> None:
        self.server_state.leave(self._place)
        self._place = None

    def _count(self, more_bytes: int) -> None:
        self._counted_bytes += more_bytes
        if self._counted_bytes > HEAD_BYTES_MAX or len(self.headers) > HEADERS_MAX:
            raise self._over_limit()

    def _over_limit(self) -> _OverLimit:
        self._refusal = TOO_LARGE
        return _OverLimit()

    def _refuse(self, refused: Refused) -> None:
        """Answer why, and end the connection. What still arrives is thrown away for two seconds:
        closed at once, the connection might not bring the client its answer.
        """
        self._refused_at = self.loop.time()
        ENDED.labels(refused.code).inc()
        is_answering = self.cycle is not None and not self.cycle.response_complete
        has_begun = self._owes is _Owes.HEAD and self._head_bytes > 0
        if is_answering or (refused is TOO_SLOW and not has_begun):
            self.transport.close()
            return
        self.flow.resume_reading()
        self.transport.write(_answer(refused))
        self.transport.write_eof()


class BoundedSocket(WebSocketsSansIOProtocol):
    """One WebSocket. uvicorn pings it, so that one whose client is gone is noticed."""

    _place: str | None = None

    def __init__(
        self, *, config: Any, server_state: Any, app_state: Any, _loop: Any = None
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._door: Door = server_state
        self._outflow = _Outflow(self.loop.time())

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._place = self._door.enter(transport)
        if self._place is None:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._door.leave(self._place)
        self._place = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.get_write_buffer_size() > UNSENT_SOCKET_BYTES_MAX:
            self.transport.abort()  # The client sends pings, and does not read the pongs.
            return
        super().data_received(data)

    def end_if_late(self, now: float) -> None:
        self._outflow.end_if_stalled(self.transport, now, self._door.bounds.stalled_seconds)


def _answer(refused: Refused) -> bytes:
    status = STATUSES[refused.code]
    request_id = fresh_commit_id()
    note_refusal(refused, request_id, "", "")  # What it asked for is not known.
    body = msgspec.json.encode(problem_of(refused, request_id))
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        f"content-type: {PROBLEM_TYPE}",
        f"content-length: {len(body)}",
        "cache-control: no-store",
        "x-content-type-options: nosniff",
        "connection: close",
        *(["retry-after: 2"] if status == HTTPStatus.SERVICE_UNAVAILABLE else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body
