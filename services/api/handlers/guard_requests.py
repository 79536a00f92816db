"""Guards: who may come in by which path, then the text of path, query and headers. A path without
a guard that admits callers is open to everybody.
"""

from collections.abc import Awaitable, Callable

from litestar.handlers import BaseRouteHandler
from msgspec import Struct

from adapters.http_server import AnyConnection
from contracts.events.account import Role
from domain.refusals import Refused, invalid
from domain.text import ONE_LINE, is_key, is_query
from domain.tokens import check_is_issuer, check_is_operator
from services.api.dependencies import Api
from services.api.handlers.callers import Caller
from services.api.handlers.tickets import TICKET_LENGTH_MAX, TICKET_UNKNOWN, stream_path

HEADERS = ("Prefer", "If-None-Match", "Last-Event-ID")  # Those that some handler reads.
Admit = Callable[[AnyConnection, BaseRouteHandler], Awaitable[None]]


async def require_token(connection: AnyConnection, _handler: BaseRouteHandler) -> None:
    """Let in whoever sends a valid token. A GET then waits until reads are as new as `min_as_of`
    and as the account's own writes.
    """
    api: Api = connection.app.state["api"]
    caller = await api.authenticator.caller(connection.headers.get("authorization", ""))
    _let_in(api, connection, caller)
    if connection.scope.get("method") == "GET":
        await api.wait_until_current(caller.account_id, connection.query_params.get("min_as_of"))


async def require_member(connection: AnyConnection, handler: BaseRouteHandler) -> None:
    """Let in whoever may read what people wrote. A product's back end may not."""
    await require_token(connection, handler)
    if connection.scope["user"].role is Role.SERVICE:
        raise Refused("forbidden", "a service reads no prompts and asks for no work")


async def require_operator(connection: AnyConnection, handler: BaseRouteHandler) -> None:
    await require_token(connection, handler)
    await operators_only(connection, handler)


async def require_issuer(connection: AnyConnection, handler: BaseRouteHandler) -> None:
    """Let in operators, and services, which issue tokens and grant credits to their users."""
    await require_token(connection, handler)
    check_is_issuer(connection.scope["user"].role)


async def operators_only(connection: AnyConnection, _handler: BaseRouteHandler) -> None:
    """Refuse all but operators, on a path whose token was checked by `require_issuer`."""
    check_is_operator(connection.scope["user"].role)


async def require_ticket_or_token(connection: AnyConnection, handler: BaseRouteHandler) -> None:
    """Let in whoever opens a stream with a token in a header, or with a ticket in the query."""
    ticket = connection.query_params.get("ticket")
    if not ticket:
        await require_member(connection, handler)
        return
    if len(ticket) > TICKET_LENGTH_MAX:
        raise Refused("unauthorized", TICKET_UNKNOWN)
    api: Api = connection.app.state["api"]
    caller = await api.tickets.caller(ticket, stream_path(connection.scope["path"]))
    if not await api.authenticator.is_valid(caller):
        raise Refused("unauthorized", "the ticket's token was revoked")
    _let_in(api, connection, caller)


def _let_in(api: Api, connection: AnyConnection, caller: Caller) -> None:
    connection.scope["user"] = caller
    api.count_requests(caller.token_id)


class Guard(Struct, frozen=True):
    """One guard for both checks: Litestar copies the handler for every guard."""

    admit: Admit | None = None

    async def __call__(self, connection: AnyConnection, handler: BaseRouteHandler) -> None:
        if self.admit is not None:
            await self.admit(connection, handler)
        require_text(connection)


def require_text(connection: AnyConnection) -> None:
    """Refuse control characters. No path of ours has any, so in a path they are a 404."""
    if not is_query(connection.scope["path"]):
        raise Refused("not_found", "nothing has such a name")
    headers = connection.headers
    key = headers.get("idempotency-key")
    if key is not None and not is_key(key):
        raise invalid("Idempotency-Key", "must be 1 to 255 printable characters of ASCII")
    for name in HEADERS:
        if not is_query(headers.get(name, "")):
            raise invalid(name, ONE_LINE)
    if connection.scope["query_string"]:
        _require_text_of_query(connection)


def _require_text_of_query(connection: AnyConnection) -> None:
    for name, values in connection.query_params.dict().items():
        if not is_query(name):
            raise invalid("query", ONE_LINE)
        if not all(is_query(value) for value in values):
            raise invalid(name, ONE_LINE)
