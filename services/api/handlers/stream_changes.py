"""Streams changes as server-sent events, or the same frames over a WebSocket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from litestar import Response, WebSocket, get, websocket
from litestar.exceptions import WebSocketDisconnect
from litestar.params import FromPath
from litestar.response import Stream

from adapters.http_server import AnyConnection, AnyRequest
from contracts.cursor import BadCursor, Cursor, parse_cursor
from contracts.ids import JobId
from read_models.jobs import Job
from services.api.dependencies import Api, Injected
from services.api.frames import ALL_OF_COMMIT, Frame
from services.api.handlers.answers import NO_STORE
from services.api.handlers.callers import Caller
from services.api.handlers.tickets import TicketLease, stream_path
from services.api.streams import Reader, Streams

RETRY_MS = 2000
PING = b": ping\n\n"
HEADERS = {**NO_STORE, "X-Accel-Buffering": "no"}
SEND_SECONDS_MAX = 30.0
CLOSE_SECONDS_MAX = 2.0

AnySocket = WebSocket[Any, Any, Any]


@get("/stream")
async def stream_account(
    request: AnyRequest, api: Injected[Api], streams: Injected[Streams]
) -> Stream:
    """Jobs, runs and credits of the account as they change; `Last-Event-ID` continues."""
    reader = await _reader(api, request, _after(request))
    return await _stream(api, streams, request, reader)


@get("/jobs/{id:str}/stream")
async def stream_job(
    request: AnyRequest, api: Injected[Api], streams: Injected[Streams], id: FromPath[str]
) -> Stream | Response[None]:
    """One job as it changes; ends after its last frame. 204 when that was sent before."""
    caller: Caller = request.scope["user"]
    job = await api.job_of(caller.account_id, id)
    reader = await _reader(api, request, _after(request), job.job_id)
    if reader.after is not None and _has_ended_before(job, reader.after):
        return Response(None, status_code=204)  # Tells a browser not to come again.
    return await _stream(api, streams, request, reader)


@websocket("/ws")
async def stream_socket(socket: AnySocket, api: Injected[Api], streams: Injected[Streams]) -> None:
    """`{"event", "id", "data"}` for each change of the account; `?after=` continues."""
    reader = await _reader(api, socket, socket.query_params.get("after"))
    lease = await _open(api, streams, reader, socket)
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
        if is_over:  # Tell the client, if it still reads.
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS_MAX):
                    await socket.close(code=1012, reason="come again, and continue")
    finally:
        streams.leave(reader)
        lease.leave()


def _after(request: AnyRequest) -> str | None:
    return request.headers.get("last-event-id") or request.query_params.get("after")


async def _stream(api: Api, streams: Streams, request: AnyRequest, reader: Reader) -> Stream:
    lease = await _open(api, streams, reader, request)
    events = _events(api, streams, reader, lease)
    return Stream(events, headers=HEADERS, media_type="text/event-stream")


async def _reader(
    api: Api, connection: AnyConnection, after: str | None, job: JobId | None = None
) -> Reader:
    """Return a reader that goes on after a cursor, as the client sent it. It gets a resync where
    that is no cursor, or one of another life of the log, or one newer than the log.
    """
    reader = Reader(connection.scope["user"], None, job)
    if not after:
        return reader
    try:
        cursor = parse_cursor(after)
    except BadCursor:
        cursor = None
    if cursor is None or cursor.epoch != api.log.epoch or cursor.sequence > await api.log.end():
        reader.wants_resync = True
    else:
        await api.changes.wait_for(cursor.sequence)
        reader.after = cursor
    return reader


async def _open(
    api: Api, streams: Streams, reader: Reader, connection: AnyConnection
) -> TicketLease:
    """Let the client in; raise Refused while its ticket is in use, or there are too many."""
    ticket = connection.query_params.get("ticket")
    lease = await api.tickets.lease(ticket, stream_path(connection.scope["path"]))
    try:
        await streams.open(reader)
    except BaseException:
        streams.leave(reader)
        lease.leave()
        raise
    return lease


def _has_ended_before(job: Job, after: Cursor) -> bool:
    last_sent = (after.sequence, after.index or ALL_OF_COMMIT)
    return job.status.is_end and (job.sequence, job.change) <= last_sent


async def _events(
    api: Api, streams: Streams, reader: Reader, lease: TicketLease
) -> AsyncIterator[bytes]:
    """Yield the stream. The cursor at its start lets a client continue that never got a frame.
    Before a resync there is none: a client that is cut off too soon has to come again for it.
    """
    start = reader.after or Cursor(api.log.epoch, reader.position, ALL_OF_COMMIT)
    if reader.job is not None and reader.after is None:
        start = Cursor(api.log.epoch, 0)  # The job's present state has yet to be sent.
    place = "" if reader.wants_resync else f"id: {start}\n"
    try:
        lease.begin(reader.end)
        yield f"retry: {RETRY_MS}\n{place}\n".encode()
        async for frame in streams.frames(reader):
            yield PING if frame is None else _event_of(frame)
    finally:
        streams.leave(reader)
        lease.leave()


def _event_of(frame: Frame) -> bytes:
    head = f"event: {frame.event}\nid: {frame.cursor}\ndata: ".encode()
    return head + frame.body + b"\n\n"


async def _send(socket: AnySocket, streams: Streams, reader: Reader) -> None:
    """Return when the stream is over, or the client has read nothing for 30 seconds."""
    async for frame in streams.frames(reader):
        if frame is not None:
            body = frame.body.decode()
            message = f'{{"event":"{frame.event}","id":"{frame.cursor}","data":{body}}}'
            async with asyncio.timeout(SEND_SECONDS_MAX):
                await socket.send_text(message)


async def _until_gone(socket: AnySocket) -> None:
    """Return when the client is gone. What it says is not read."""
    with suppress(WebSocketDisconnect):
        while True:
            await socket.receive_data("text")
