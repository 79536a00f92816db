"""Issues tickets for streams: a browser's EventSource and WebSocket can send no header."""

import asyncio
import hashlib
import secrets
from datetime import datetime, timedelta

import msgspec
from litestar import Response, post
from litestar.handlers import BaseRouteHandler
from msgspec import Struct, structs
from nats.aio.client import Client
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from adapters.clock import now
from adapters.http_server import AnyConnection, AnyRequest, AnyResponse
from contracts.events.account import Role
from contracts.ids import AccountId
from contracts.subjects import TICKET_BUCKET
from domain.refusals import Refused
from services.api.dependencies import api_of
from services.api.handlers.authenticate_callers import (
    Authenticator,
    Caller,
    caller_of,
    require_member,
)

VALID_SECONDS = 60
EXTEND_SECONDS = 15.0
TICKET_LENGTH_MAX = 64
TRIES_MAX = 3


class Ticket(Struct, frozen=True, kw_only=True):
    """What stands in the bucket, under the ticket's hash. `path` is the stream that it opened."""

    account_id: AccountId
    role: Role
    token_id: str
    expires_at: datetime
    path: str | None = None


_decoder = msgspec.json.Decoder(Ticket)


class Tickets:
    """Tickets stand in a bucket of the broker, so that any api process knows them."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._bucket: KeyValue | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def issue(self, caller: Caller) -> tuple[str, datetime]:
        text = secrets.token_urlsafe(32)
        ticket = Ticket(
            account_id=caller.account_id,
            role=caller.role,
            token_id=caller.token_id,
            expires_at=_soon(),
        )
        await (await self._open()).put(_name(text), msgspec.json.encode(ticket))
        return text, ticket.expires_at

    async def use(self, text: str, path: str) -> Caller:
        """Open a stream, or the same one again; raise Refused for any other use."""
        for _ in range(TRIES_MAX):
            try:
                return await self._use(text, path)
            except KeyWrongLastSequenceError:
                continue  # Used at the same moment: look again whether that was the same stream.
        raise Refused("unauthorized", "the ticket is being used")

    async def _use(self, text: str, path: str) -> Caller:
        bucket = await self._open()
        try:
            entry = await bucket.get(_name(text))
        except KeyNotFoundError:
            raise Refused("unauthorized", "the ticket is unknown or too old") from None
        ticket = _decoder.decode(entry.value or b"")
        if ticket.expires_at < now():
            raise Refused("unauthorized", "the ticket is too old")
        if ticket.path not in {None, path}:
            raise Refused("unauthorized", "the ticket has opened another stream")
        extended = structs.replace(ticket, path=path, expires_at=_soon())
        await bucket.update(_name(text), msgspec.json.encode(extended), last=entry.revision)
        return Caller(ticket.account_id, ticket.role, ticket.token_id)

    def extend(self, text: str, path: str) -> None:
        """Let the ticket open its stream again for a minute from now; in the background."""
        task = asyncio.create_task(self._extend(text, path))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _extend(self, text: str, path: str) -> None:
        try:
            await self.use(text, path)
        except (Refused, Exception):  # noqa: BLE001 - at worst the client has to ask for a new one.
            return

    async def _open(self) -> KeyValue:
        if self._bucket is None:
            self._bucket = await self._client.jetstream().key_value(TICKET_BUCKET)
        return self._bucket


class Lease:
    """Keeps the ticket of an open stream alive; without a ticket it does nothing."""

    def __init__(self, tickets: Tickets, text: str, path: str) -> None:
        self._tickets, self._text, self._path = tickets, text, path
        self._extended_at = asyncio.get_running_loop().time()

    def renew(self) -> None:
        clock = asyncio.get_running_loop().time()
        if self._text and clock - self._extended_at > EXTEND_SECONDS:
            self._extended_at = clock
            self._tickets.extend(self._text, self._path)

    def leave(self) -> None:
        if self._text:
            self._tickets.extend(self._text, self._path)


@post("/stream-tickets", status_code=201)
async def issue_ticket(request: AnyRequest) -> AnyResponse:
    """A ticket opens one stream (`?ticket=`) within a minute, and the same one again after it was
    away for less than a minute.
    """
    api, caller = api_of(request), caller_of(request)
    api.usage.take(f"work:{caller.account_id}", api.settings.account_requests_per_minute)
    text, expires_at = await tickets_of(request).issue(caller)
    document = {"ticket": text, "expires_at": expires_at.isoformat().replace("+00:00", "Z")}
    return Response(document, status_code=201, headers={"Cache-Control": "no-store"})


async def require_ticket_or_token(connection: AnyConnection, handler: BaseRouteHandler) -> None:
    """Guard of streams: a header, or a ticket in the query."""
    text = connection.query_params.get("ticket")
    if not text:
        await require_member(connection, handler)
        return
    if len(text) > TICKET_LENGTH_MAX:
        raise Refused("unauthorized", "the ticket is unknown or too old")
    caller = await tickets_of(connection).use(text, path_of(connection))
    authenticator: Authenticator = connection.app.state["authenticator"]
    if not await authenticator.is_valid(caller):
        raise Refused("unauthorized", "the ticket's token was revoked")
    connection.scope["user"] = caller


def lease_of(connection: AnyConnection) -> Lease:
    text = connection.query_params.get("ticket", "")
    return Lease(tickets_of(connection), text, path_of(connection))


def tickets_of(connection: AnyConnection) -> Tickets:
    found: Tickets = connection.app.state["tickets"]
    return found


def path_of(connection: AnyConnection) -> str:
    path: str = connection.scope["path"].rstrip("/")
    return path


def _name(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _soon() -> datetime:
    return now() + timedelta(seconds=VALID_SECONDS)
