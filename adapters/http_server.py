"""Serving HTTP: uvicorn, told to stop by an event instead of by its own signal handlers."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

import structlog
import uvicorn
from litestar import Request, Response
from litestar.connection import ASGIConnection

logger = structlog.get_logger()

GRACE_SECONDS = 6
SOCKET_BYTES_MAX = 4096  # Clients say nothing that we listen to.

AnyRequest = Request[Any, Any, Any]
AnyResponse = Response[Any]
AnyConnection = ASGIConnection[Any, Any, Any, Any]


class QuietServer(uvicorn.Server):
    """A server that leaves signals to its process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # The process handles signals: all its parts stop together.


async def serve(
    app: Any, host: str, port: int, stop: asyncio.Event, *, sockets: bool = False
) -> None:
    """Serve until `stop` is set, then let open requests end for a few seconds.

    Open streams would keep uvicorn alive for ever: hence the time limit.
    """
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio" if sockets else "none",
        ws_max_size=SOCKET_BYTES_MAX,
        ws_per_message_deflate=False,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=4096,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=GRACE_SECONDS,
        proxy_headers=False,
    )
    server = QuietServer(config)
    serving = asyncio.create_task(server.serve())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    server.should_exit = True
    await serving
    if not stop.is_set():
        msg = f"the server on {host}:{port} ended by itself"
        raise OSError(msg)
