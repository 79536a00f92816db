"""Guards of paths: first who may come in is checked, then the text of path, query and headers."""

from collections.abc import Awaitable, Callable

from litestar.handlers import BaseRouteHandler
from msgspec import Struct

from adapters.http_server import AnyConnection
from domain.refusals import Refused, invalid
from domain.text import ONE_LINE, is_key, is_query

HEADERS = ("Prefer", "If-None-Match", "Last-Event-ID")  # Headers that some handler reads.


Admit = Callable[[AnyConnection, BaseRouteHandler], Awaitable[None]]


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
