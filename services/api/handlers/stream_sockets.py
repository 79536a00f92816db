"""Streams changes over a WebSocket: the same frames as the server-sent events."""

import asyncio
from contextlib import suppress
from typing import Any

from litestar import WebSocket, websocket
from litestar.exceptions import WebSocketDisconnect

from services.api.dependencies import Api, Injected
from services.api.frames import Frame
from services.api.handlers.stream_changes import open_reader, read_cursor, stream_request
from services.api.streams import Reader, Streams

SEND_SECONDS_MAX = 30.0
CLOSE_SECONDS_MAX = 2.0

AnySocket = WebSocket[Any, Any, Any]


@websocket("/ws")
async def stream_socket(socket: AnySocket, api: Injected[Api], streams: Injected[Streams]) -> None:
    """`{"event", "id", "data"}` for each change of the account; `?after=` continues."""
    asked = stream_request(socket)
    after, is_known = await read_cursor(api, asked.after)
    reader = Reader(asked.caller, after, None)
    reader.wants_resync = not is_known
    lease = await open_reader(api, streams, reader, asked)
    try:
        await socket.accept()
        lease.begin(reader.end)
        sending = asyncio.create_task(_send(socket, streams, reader))
        hearing = asyncio.create_task(_until_gone(socket))
        await asyncio.wait({sending, hearing}, return_when=asyncio.FIRST_COMPLETED)
        is_over = sending.done() and not hearing.done()
        for task in (sending, hearing):
            task.cancel()
        await asyncio.gather(sending, hearing, return_exceptions=True)
        if is_over:
            await _close(socket)
    finally:
        streams.leave(reader)
        lease.leave()


async def _send(socket: AnySocket, streams: Streams, reader: Reader) -> None:
    """Return when the stream is over, or the client has read nothing for 30 seconds."""
    async for frame in streams.frames(reader):
        if frame is not None:
            async with asyncio.timeout(SEND_SECONDS_MAX):
                await socket.send_text(_encoded(frame))


async def _close(socket: AnySocket) -> None:
    """Tell the client that the stream is over, if it still reads."""
    with suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_SECONDS_MAX):
            await socket.close(code=1012, reason="come again, and continue")


async def _until_gone(socket: AnySocket) -> None:
    """Return when the client is gone. What it says is not read."""
    try:
        while True:
            await socket.receive_data("text")
    except WebSocketDisconnect:
        return


def _encoded(frame: Frame) -> str:
    body = frame.body.decode()
    return f'{{"event":"{frame.event}","id":"{frame.cursor}","data":{body}}}'
