"""Streams changes as server-sent events: everything that concerns an account, or one job."""

from collections.abc import AsyncIterator

from litestar import Response, get
from litestar.params import FromPath
from litestar.response import Stream
from msgspec import Struct

from adapters.http_server import AnyConnection, AnyRequest, AnyResponse
from contracts.cursor import BadCursor, Cursor, parse_cursor
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


class StreamRequest(Struct, frozen=True):
    """Who opens a stream, at which path, with a ticket or without; and the cursor after which it
    goes on, as the client sent it.
    """

    caller: Caller
    path: str
    ticket: str | None = None
    after: str | None = None


@get("/stream")
async def stream_account(
    request: AnyRequest, api: Injected[Api], streams: Injected[Streams]
) -> AnyResponse:
    """Jobs, runs and credits of the account as they change; `Last-Event-ID` continues."""
    return await _stream(api, streams, _asked(request), None)


@get("/jobs/{id:str}/stream")
async def stream_job(
    request: AnyRequest, api: Injected[Api], streams: Injected[Streams], id: FromPath[str]
) -> AnyResponse:
    """One job as it changes; ends after its last frame. 204 when that was sent before."""
    asked = _asked(request)
    return await _stream(api, streams, asked, await api.job_of(asked.caller.account_id, id))


async def _stream(api: Api, streams: Streams, asked: StreamRequest, job: Job | None) -> AnyResponse:
    after, is_known = await read_cursor(api, asked.after)
    if job is not None and after is not None and _has_ended_before(job, after):
        return Response(None, status_code=204)  # Tells a browser not to come again.
    reader = Reader(asked.caller, after, job.job_id if job is not None else None)
    reader.wants_resync = not is_known
    lease = await open_reader(api, streams, reader, asked)
    events = _events(api, streams, reader, lease)
    return Stream(events, headers=HEADERS, media_type="text/event-stream")


def stream_request(connection: AnyConnection, last_event_id: str | None = None) -> StreamRequest:
    query = connection.query_params
    return StreamRequest(
        caller=connection.scope["user"],
        path=stream_path(connection.scope["path"]),
        ticket=query.get("ticket"),
        after=last_event_id or query.get("after"),
    )


def _asked(request: AnyRequest) -> StreamRequest:
    return stream_request(request, request.headers.get("last-event-id"))


async def open_reader(
    api: Api, streams: Streams, reader: Reader, asked: StreamRequest
) -> TicketLease:
    """Let the client in; raise Refused while its ticket is in use, or there are too many."""
    lease = await api.tickets.lease(asked.ticket, asked.path)
    try:
        await streams.open(reader)
    except BaseException:
        streams.leave(reader)
        lease.leave()
        raise
    return lease


async def read_cursor(api: Api, text: str | None) -> tuple[Cursor | None, bool]:
    """Return the cursor after which a client goes on, and whether we can go on there. We cannot
    after a cursor that is none, is of another life of the log, or is newer than the log.
    """
    if not text:
        return None, True
    try:
        cursor = parse_cursor(text)
    except BadCursor:
        return None, False
    if cursor.epoch != api.log.epoch or cursor.sequence > await api.log.end():
        return None, False
    await api.changes.wait_for(cursor.sequence)
    return cursor, True


def _has_ended_before(job: Job, after: Cursor) -> bool:
    last_sent = (after.sequence, after.index or ALL_OF_COMMIT)
    return job.status.is_end and (job.sequence, job.change) <= last_sent


async def _events(
    api: Api, streams: Streams, reader: Reader, lease: TicketLease
) -> AsyncIterator[bytes]:
    """Yield the stream. The cursor at its very start lets a client continue that never got a
    frame.
    """
    start = reader.after or Cursor(api.log.epoch, reader.position, ALL_OF_COMMIT)
    if reader.job is not None and reader.after is None:
        start = Cursor(api.log.epoch, 0)  # The job's present state has yet to be sent.
    try:
        lease.begin(reader.end)
        yield f"retry: {RETRY_MS}\nid: {start}\n\n".encode()
        async for frame in streams.frames(reader):
            yield PING if frame is None else _encoded(frame)
    finally:
        streams.leave(reader)
        lease.leave()


def _encoded(frame: Frame) -> bytes:
    head = f"event: {frame.event}\nid: {frame.cursor}\ndata: ".encode()
    return head + frame.body + b"\n\n"
