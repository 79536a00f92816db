"""Issues tickets for streams: a browser's EventSource and WebSocket can send no header."""

import asyncio
import hashlib
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from weakref import WeakValueDictionary

import msgspec
import structlog
from litestar import Response, post
from litestar.handlers import BaseRouteHandler
from msgspec import Struct, structs
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error, NoRespondersError
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from adapters.buckets import LazyBucket
from adapters.http_server import AnyConnection, AnyRequest, AnyResponse
from application.clock import now
from contracts.events.account import Role
from contracts.ids import AccountId
from contracts.subjects import TICKET_BUCKET, ticket_holder_subject
from domain.refusals import Refused
from domain.times import text_of
from services.api.dependencies import Api, api_of
from services.api.handlers.authenticate_callers import (
    Caller,
    authenticator_of,
    caller_of,
    require_member,
)

logger = structlog.get_logger()

VALID_SECONDS = 60
LIFE_SECONDS = 3600  # However often it is used.
RENEW_SECONDS = 15.0
ASK_SECONDS = 1.0
GRACE_SECONDS = 1.0  # A client may be back before we notice that it had gone.
LOOK_SECONDS = 0.1
TICKET_LENGTH_MAX = 64


class Ticket(Struct, frozen=True, kw_only=True):
    """What stands in the bucket, under the ticket's hash. `path` is the stream that it opened,
    `holder` who has it open: a process of ours, and a connection there.
    """

    account_id: AccountId
    role: Role
    token_id: str
    issued_at: datetime
    expires_at: datetime
    path: str | None = None
    holder: str | None = None

    @property
    def ends_at(self) -> datetime:
        return self.issued_at + timedelta(seconds=LIFE_SECONDS)

    @property
    def caller(self) -> Caller:
        return Caller(self.account_id, self.role, self.token_id)

    def held(self, holder: str | None, path: str, seconds: float) -> "Ticket":
        expires_at = min(now() + timedelta(seconds=seconds), self.ends_at)
        return structs.replace(self, holder=holder, path=path, expires_at=expires_at)


_decoder = msgspec.json.Decoder(Ticket)


class Hold:
    """A ticket's one open stream."""

    def __init__(self, name: str, text: str, path: str, ends_at: datetime) -> None:
        self.name, self.text, self.path, self.ends_at = name, text, path, ends_at


class Tickets:
    """Tickets stand in a bucket of the broker, so that any api process knows them.

    A ticket's holder is asked whether it still has the stream open: one that died does not answer.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._process = secrets.token_hex(8)
        self._bucket = LazyBucket(client, TICKET_BUCKET)
        self._is_answering = False
        self._holds: WeakValueDictionary[str, Hold] = WeakValueDictionary()
        self._tasks: set[asyncio.Task[None]] = set()

    async def issue(self, caller: Caller) -> tuple[str, datetime]:
        text, at = secrets.token_urlsafe(32), now()
        ticket = Ticket(
            account_id=caller.account_id,
            role=caller.role,
            token_id=caller.token_id,
            issued_at=at,
            expires_at=at + timedelta(seconds=VALID_SECONDS),
        )
        await (await self._open()).put(_name(text), msgspec.json.encode(ticket))
        return text, ticket.expires_at

    async def caller(self, text: str, path: str) -> Caller:
        """Tell whose ticket this is; raise Refused when it opens nothing there."""
        ticket, _ = await self._find(text, path)
        return ticket.caller

    async def hold(self, text: str, path: str) -> Hold:
        """Open the ticket's stream; raise Refused while it is open elsewhere."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + GRACE_SECONDS
        while True:
            ticket, revision = await self._find(text, path)
            if ticket.holder is None or not await self._is_open(ticket.holder):
                name = f"{self._process}.{secrets.token_hex(8)}"
                hold = Hold(name, text, path, ticket.ends_at)
                self._holds[name] = hold
                taken = ticket.held(name, path, RENEW_SECONDS + VALID_SECONDS)
                if await self._put(text, taken, revision):
                    return hold
            if clock() > deadline:
                raise Refused("unauthorized", "the ticket's stream is open already")
            await asyncio.sleep(LOOK_SECONDS)

    async def keep(self, hold: Hold, on_end: Callable[[], None]) -> None:
        """Renew while the stream is open; call `on_end` when its time is up, or it is another's."""
        while (seconds_left := (hold.ends_at - now()).total_seconds()) > 0:
            await asyncio.sleep(min(RENEW_SECONDS, seconds_left))
            try:
                if not await self._renew(hold, hold.name, RENEW_SECONDS + VALID_SECONDS):
                    break
            except Error as error:
                logger.warning("ticket_waits", reason=repr(error))
        on_end()

    def leave(self, hold: Hold) -> None:
        """Let the ticket open its stream again for a minute from now; in the background."""
        self._holds.pop(hold.name, None)
        task = asyncio.create_task(self._leave(hold))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _leave(self, hold: Hold) -> None:
        try:
            await self._renew(hold, None, VALID_SECONDS)
        except Error as error:  # Who comes back is let in, as nobody answers for the holder.
            logger.warning("ticket_waits", reason=repr(error))

    async def _renew(self, hold: Hold, holder: str | None, seconds: float) -> bool:
        """Return whether the ticket was still this stream's."""
        found = await self._read(hold.text)
        if found is None or found[0].holder != hold.name:
            return False
        ticket, revision = found
        return await self._put(hold.text, ticket.held(holder, hold.path, seconds), revision)

    async def _find(self, text: str, path: str) -> tuple[Ticket, int]:
        found = await self._read(text)
        if found is None or found[0].expires_at < now():
            raise Refused("unauthorized", "the ticket is unknown or too old")
        if found[0].path not in {None, path}:
            raise Refused("unauthorized", "the ticket has opened another stream")
        return found

    async def _read(self, text: str) -> tuple[Ticket, int] | None:
        try:
            entry = await (await self._open()).get(_name(text))
        except KeyNotFoundError:
            return None
        return _decoder.decode(entry.value or b""), entry.revision or 0

    async def _put(self, text: str, ticket: Ticket, revision: int) -> bool:
        """Return False when somebody was faster."""
        try:
            bucket = await self._open()
            await bucket.update(_name(text), msgspec.json.encode(ticket), last=revision)
        except KeyWrongLastSequenceError:
            return False
        return True

    async def _is_open(self, holder: str) -> bool:
        """Ask the process that has the stream; a connection that nobody knows any more is gone."""
        process, _, _ = holder.partition(".")
        if process == self._process:
            return holder in self._holds
        subject = ticket_holder_subject(process)
        try:
            answer = await self._client.request(subject, holder.encode(), ASK_SECONDS)
        except NoRespondersError:
            return False
        except TimeoutError:
            return True  # It lives, and may have the stream.
        return answer.data == b"open"

    async def _answer(self, message: Msg) -> None:
        is_open = message.data.decode() in self._holds
        await message.respond(b"open" if is_open else b"gone")

    async def _open(self) -> KeyValue:
        bucket = await self._bucket.open()
        if not self._is_answering:
            self._is_answering = True
            await self._client.subscribe(ticket_holder_subject(self._process), cb=self._answer)
        return bucket


class Lease:
    """Keeps the ticket of an open stream; without a ticket it does nothing."""

    def __init__(self, tickets: Tickets, hold: Hold | None) -> None:
        self._tickets, self._hold = tickets, hold
        self._keeping: asyncio.Task[None] | None = None

    def begin(self, on_end: Callable[[], None]) -> None:
        if self._hold is not None:
            self._keeping = asyncio.create_task(self._tickets.keep(self._hold, on_end))

    def leave(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
        if self._hold is not None:
            self._tickets.leave(self._hold)


@post("/stream-tickets", status_code=201)
async def issue_ticket(request: AnyRequest) -> AnyResponse:
    """A ticket opens a stream (`?ticket=`) within a minute, one at a time, and the same one again
    after it was away for less than a minute; for at most an hour in all.
    """
    api, caller = api_of(request), caller_of(request)
    api.usage.take(f"work:{caller.account_id}", api.settings.account_requests_per_minute)
    text, expires_at = await tickets_of(request).issue(caller)
    document = {"ticket": text, "expires_at": text_of(expires_at)}
    return Response(document, status_code=201, headers={"Cache-Control": "no-store"})


async def require_ticket_or_token(connection: AnyConnection, handler: BaseRouteHandler) -> None:
    """Guard of streams: a header, or a ticket in the query."""
    text = connection.query_params.get("ticket")
    if not text:
        await require_member(connection, handler)
        return
    if len(text) > TICKET_LENGTH_MAX:
        raise Refused("unauthorized", "the ticket is unknown or too old")
    caller = await tickets_of(connection).caller(text, path_of(connection))
    if not await authenticator_of(connection).is_valid(caller):
        raise Refused("unauthorized", "the ticket's token was revoked")
    connection.scope["user"] = caller
    api: Api = connection.app.state["api"]
    api.usage.take(f"token:{caller.token_id}", api.settings.account_reads_per_minute)


async def lease_of(connection: AnyConnection) -> Lease:
    """Take the ticket of this connection, if it came with one; raise Refused when it is in use."""
    text, tickets = connection.query_params.get("ticket", ""), tickets_of(connection)
    return Lease(tickets, await tickets.hold(text, path_of(connection)) if text else None)


def tickets_of(connection: AnyConnection) -> Tickets:
    found: Tickets = connection.app.state["tickets"]
    return found


def path_of(connection: AnyConnection) -> str:
    path: str = connection.scope["path"].rstrip("/")
    return path


def _name(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
