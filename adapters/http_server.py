"""Serving HTTP: uvicorn within bounds, until an event is set, and the headers of every answer."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import structlog
import uvicorn
from litestar import Request, Response
from litestar.connection import ASGIConnection
from litestar.exceptions import LitestarException
from prometheus_client import Counter

from adapters.http_bounds import BoundedHttp, BoundedSocket
from adapters.http_door import Bounds, Door
from adapters.storage import StorageUnavailable

logger = structlog.get_logger()

GRACE_SECONDS = 6
IDLE_SECONDS = 75
SOCKET_BYTES_MAX = 4096  # What clients send is not read.
DEFAULT_HEADERS = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))
TICKS_A_SECOND = 10  # Of uvicorn's main loop.

AnyRequest = Request[Any, Any, Any]
AnyResponse = Response[Any]
AnyConnection = ASGIConnection[Any, Any, Any, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]

ANSWERS = Counter("darkroom_http_answers_total", "Answers by status", ["status"])
CUT_OFF = Counter("darkroom_http_requests_cut_off_total", "Requests that never came whole")


class QuietServer(uvicorn.Server):
    """A server that leaves signals to its process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # The process handles signals: all its parts stop together.


class BoundedServer(QuietServer):
    """A server that checks once a second for connections that take too long, and ends them."""

    def __init__(
        self, config: uvicorn.Config, bounds: Bounds, listening: asyncio.Event | None
    ) -> None:
        super().__init__(config)
        self.server_state: Door = Door(bounds)
        self._listening = listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._listening is not None:
            self._listening.set()

    async def on_tick(self, counter: int) -> bool:
        if counter % TICKS_A_SECOND == 0:
            now = asyncio.get_running_loop().time()
            for connection in tuple(self.server_state.connections):
                if isinstance(connection, BoundedHttp | BoundedSocket):
                    connection.end_if_late(now)
        return await super().on_tick(counter)


async def serve(
    app: AsgiApp,
    host: str,
    port: int,
    stop: asyncio.Event,
    bounds: Bounds,
    *,
    sockets: bool = False,
    listening: asyncio.Event | None = None,
) -> None:
    """Serve until `stop` is set, and then GRACE_SECONDS more: open streams would never end.
    `listening` is set once connections are accepted.
    """
    config = uvicorn.Config(
        guarded(app),
        host=host,
        port=port,
        loop="uvloop",
        http=BoundedHttp,
        ws=BoundedSocket if sockets else "none",
        ws_max_size=SOCKET_BYTES_MAX,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=4096,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
        proxy_headers=False,
    )
    server = BoundedServer(config, bounds.within_file_limit(), listening)
    serving = asyncio.create_task(server.serve())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    server.should_exit = True
    await serving
    if not stop.is_set():
        raise OSError(f"the server on {host}:{port} ended by itself")


class _CutOff(BaseException):
    """The client went before its body was here. A BaseException, so that no handler catches it."""


def guarded(app: AsgiApp) -> AsgiApp:
    """Add every answer's headers. A request whose client is gone is ended, and is no error."""

    async def run(scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        listen = receive if scope["method"] in {"GET", "HEAD"} else _until_cut_off(receive)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                ANSWERS.labels(message["status"]).inc()
                message["headers"] = _completed(message.get("headers", ()))
            await send(message)

        try:
            await app(scope, listen, answer)
        except _CutOff:
            CUT_OFF.inc()
        except LitestarException as error:
            if not _is_storage_away(error):
                raise
            logger.warning("answer_cut", path=scope["path"], reason=repr(error.__cause__))

    return run


def _until_cut_off(receive: Receive) -> Receive:
    is_whole = False

    async def listen() -> Message:
        nonlocal is_whole
        message = await receive()
        if message["type"] == "http.disconnect" and not is_whole:
            raise _CutOff
        is_whole = not message.get("more_body", False)
        return message

    return listen


def _completed(headers: Any) -> list[tuple[bytes, bytes]]:
    """Forbid caches to keep what does not mention them, and browsers to guess its type."""
    found = list(headers)
    names = {name.lower() for name, _ in found}
    return found + [header for header in DEFAULT_HEADERS if header[0] not in names]


def _is_storage_away(error: LitestarException) -> bool:
    """Tell whether an answer under way ended because its file could not be read on."""
    cause = error.__cause__
    return isinstance(cause, ExceptionGroup) and cause.split(StorageUnavailable)[1] is None
