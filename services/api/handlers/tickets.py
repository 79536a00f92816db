"""Tickets: what opens a stream without a header, and which stream has one open."""

import asyncio
import hashlib
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from weakref import WeakValueDictionary

import msgspec
import structlog
from msgspec import Struct, structs
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error, NoRespondersError
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from adapters.buckets import LazyBucket
from application.clock import now
from contracts.events.account import Role
from contracts.ids import AccountId
from contracts.subjects import TICKET_BUCKET, ticket_holder_subject
from domain.refusals import Refused
from services.api.handlers.callers import Caller

logger = structlog.get_logger()

VALID_SECONDS = 60
LIFE_SECONDS = 3600  # However often it is used.
RENEW_SECONDS = 15.0
ASK_SECONDS = 1.0
GRACE_SECONDS = 1.0  # A client may come back before we notice that its stream is closed.
RETRY_SECONDS = 0.1
TICKET_LENGTH_MAX = 64
TICKET_UNKNOWN = "the ticket is unknown or too old"


class Ticket(Struct, frozen=True, kw_only=True):
    """A ticket as the bucket stores it, under its hash. `path` is the stream that it opened,
    `holder` the connection that has the stream open now, as `process.connection`.
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


class OpenTicket:
    """A ticket whose stream is open. `name` is its holder; `text` the ticket itself."""

    def __init__(self, name: str, text: str, path: str, ends_at: datetime) -> None:
        self.name, self.text, self.path, self.ends_at = name, text, path, ends_at


class Tickets:
    """The tickets of all api processes, in a bucket of the broker. Before a ticket opens its stream
    again, the process that had it open is asked if it still has: one that died does not answer.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._process = secrets.token_hex(8)
        self._bucket = LazyBucket(client, TICKET_BUCKET)
        self._is_answering = False
        self._opened: WeakValueDictionary[str, OpenTicket] = WeakValueDictionary()
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
        """Return who the ticket was issued to; raise Refused when it does not open this path."""
        ticket, _ = await self._find(text, path)
        return ticket.caller

    async def lease(self, text: str | None, path: str) -> "TicketLease":
        """Take the ticket of a connection that came with one; raise Refused when it is in use."""
        return TicketLease(self, await self.take(text, path) if text else None)

    async def take(self, text: str, path: str) -> OpenTicket:
        """Mark the ticket's stream as open here; raise Refused while it is open elsewhere."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + GRACE_SECONDS
        while True:
            ticket, revision = await self._find(text, path)
            if ticket.holder is None or not await self._is_open(ticket.holder):
                name = f"{self._process}.{secrets.token_hex(8)}"
                opened = OpenTicket(name, text, path, ticket.ends_at)
                self._opened[name] = opened
                taken = ticket.held(name, path, RENEW_SECONDS + VALID_SECONDS)
                if await self._put(text, taken, revision):
                    return opened
            if clock() > deadline:
                raise Refused("unauthorized", "the ticket's stream is open already")
            await asyncio.sleep(RETRY_SECONDS)

    async def keep(self, opened: OpenTicket, on_end: Callable[[], None]) -> None:
        """Renew while the stream is open; call `on_end` after an hour, or when another took it."""
        while (seconds_left := (opened.ends_at - now()).total_seconds()) > 0:
            await asyncio.sleep(min(RENEW_SECONDS, seconds_left))
            try:
                if not await self._renew(opened, opened.name, RENEW_SECONDS + VALID_SECONDS):
                    break
            except Error as error:
                logger.warning("ticket_waits", reason=repr(error))
        on_end()

    def leave(self, opened: OpenTicket) -> None:
        """Let the ticket open its stream again within the next minute; in the background."""
        self._opened.pop(opened.name, None)
        task = asyncio.create_task(self._leave(opened))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _leave(self, opened: OpenTicket) -> None:
        try:
            await self._renew(opened, None, VALID_SECONDS)
        except Error as error:  # The stream can be opened again: nobody answers for its holder.
            logger.warning("ticket_waits", reason=repr(error))

    async def _renew(self, opened: OpenTicket, holder: str | None, seconds: float) -> bool:
        """Return False when another connection has taken the ticket."""
        found = await self._read(opened.text)
        if found is None or found[0].holder != opened.name:
            return False
        ticket, revision = found
        return await self._put(opened.text, ticket.held(holder, opened.path, seconds), revision)

    async def _find(self, text: str, path: str) -> tuple[Ticket, int]:
        found = await self._read(text)
        if found is None or found[0].expires_at < now():
            raise Refused("unauthorized", TICKET_UNKNOWN)
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
        """Return False when another process changed the ticket meanwhile."""
        try:
            bucket = await self._open()
            await bucket.update(_name(text), msgspec.json.encode(ticket), last=revision)
        except KeyWrongLastSequenceError:
            return False
        return True

    async def _is_open(self, holder: str) -> bool:
        """Ask the holder's process whether it still has this connection."""
        process, _, _ = holder.partition(".")
        if process == self._process:
            return holder in self._opened
        subject = ticket_holder_subject(process)
        try:
            answer = await self._client.request(subject, holder.encode(), ASK_SECONDS)
        except NoRespondersError:
            return False
        except TimeoutError:
            return True  # The process lives, and may have the stream.
        return answer.data == b"open"

    async def _answer(self, message: Msg) -> None:
        is_open = message.data.decode() in self._opened
        await message.respond(b"open" if is_open else b"gone")

    async def _open(self) -> KeyValue:
        bucket = await self._bucket.open()
        if not self._is_answering:
            self._is_answering = True
            await self._client.subscribe(ticket_holder_subject(self._process), cb=self._answer)
        return bucket


class TicketLease:
    """Renews the ticket of an open stream; does nothing for a stream opened with a token."""

    def __init__(self, tickets: Tickets, opened: OpenTicket | None) -> None:
        self._tickets, self._opened = tickets, opened
        self._keeping: asyncio.Task[None] | None = None

    def begin(self, on_end: Callable[[], None]) -> None:
        if self._opened is not None:
            self._keeping = asyncio.create_task(self._tickets.keep(self._opened, on_end))

    def leave(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
        if self._opened is not None:
            self._tickets.leave(self._opened)


def stream_path(path: str) -> str:
    """Return a stream's path as its ticket remembers it."""
    return path.rstrip("/")


def _name(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
