"""Streams changes as server-sent events: everything that concerns an account, or one job."""

from collections.abc import AsyncIterator

from litestar import Response, get
from litestar.params import FromPath
from litestar.response import Stream

from adapters.http_server import AnyRequest, AnyResponse
from contracts.cursor import BadCursor, Cursor, parse_cursor
from read_models.jobs import Job
from services.api.dependencies import Api, api_of
from services.api.frames import ALL_OF_COMMIT, Frame
from services.api.handlers.authenticate_callers import caller_of
from services.api.handlers.issue_tickets import Lease, lease_of
from services.api.streams import Reader, Streams

RETRY_MS = 2000
PING = b": ping\n\n"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


@get("/stream")
async def stream_account(request: AnyRequest) -> AnyResponse:
    """Jobs, runs and credits of the account as they change; `Last-Event-ID` continues."""
    return await _stream(request, None)


@get("/jobs/{id:str}/stream")
async def stream_job(request: AnyRequest, id: FromPath[str]) -> AnyResponse:  # noqa: A002
    """One job as it changes; ends after its last frame. 204 when that was seen already."""
    return await _stream(request, await api_of(request).job_of(caller_of(request).account_id, id))


async def _stream(request: AnyRequest, job: Job | None) -> AnyResponse:
    api, streams = api_of(request), streams_of(request)
    wish = request.headers.get("last-event-id") or request.query_params.get("after")
    after, is_honoured = await honour(api, wish)
    if job is not None and after is not None and _has_seen_its_end(job, after):
        return Response(None, status_code=204)  # Tells a browser not to come again.
    reader = Reader(caller_of(request), after, job.job_id if job is not None else None)
    reader.wants_resync = not is_honoured
    lease = await lease_of(request)
    try:
        await streams.open(reader)
    except BaseException:
        lease.leave()
        raise
    events = _events(api, streams, reader, lease)
    return Stream(events, headers=HEADERS, media_type="text/event-stream")


def _has_seen_its_end(job: Job, after: Cursor) -> bool:
    seen = (after.sequence, after.index or ALL_OF_COMMIT)
    return job.status.is_end and (job.sequence, job.change) <= seen


def streams_of(request: AnyRequest) -> Streams:
    found: Streams = request.app.state["streams"]
    return found


async def honour(api: Api, wish: str | None) -> tuple[Cursor | None, bool]:
    """Read where a client wants to go on; a cursor of another life or of the future is none."""
    if not wish:
        return None, True
    try:
        cursor = parse_cursor(wish)
    except BadCursor:
        return None, False
    if cursor.epoch != api.log.epoch or cursor.sequence > await api.log.end():
        return None, False
    await api.changes.wait_for(cursor.sequence)
    return cursor, True


async def _events(api: Api, streams: Streams, reader: Reader, lease: Lease) -> AsyncIterator[bytes]:
    """The cursor at the very start lets a client continue that never got a frame."""
    begins = reader.after or Cursor(api.log.epoch, reader.position, ALL_OF_COMMIT)
    if reader.job is not None and reader.after is None:
        begins = Cursor(api.log.epoch, 0)  # It has not been told the state with which it begins.
    try:
        lease.begin(reader.end)
        yield f"retry: {RETRY_MS}\nid: {begins}\n\n".encode()
        async for frame in streams.frames(reader):
            yield PING if frame is None else _encoded(frame)
    finally:
        streams.leave(reader)
        lease.leave()


def _encoded(frame: Frame) -> bytes:
    head = f"event: {frame.event}\nid: {frame.cursor}\ndata: ".encode()
    return head + frame.body + b"\n\n"
