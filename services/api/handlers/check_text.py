"""Checks the text of paths, queries and keys before anything is done with it."""

from litestar.handlers import BaseRouteHandler

from adapters.http_server import AnyConnection
from domain.refusals import Refused, invalid
from domain.text import ONE_LINE, is_key, is_query

HEADERS = ("Prefer", "If-None-Match", "Last-Event-ID")  # What anybody listens to.


async def require_text(connection: AnyConnection, _handler: BaseRouteHandler) -> None:
    """Guard: no control characters. Nothing of ours has a name with one, so a path is a 404."""
    if not is_query(connection.scope["path"]):
        raise Refused("not_found", "nothing has such a name")
    key = connection.headers.get("idempotency-key")
    if key is not None and not is_key(key):
        raise invalid("Idempotency-Key", "must be 1 to 255 printable characters of ASCII")
    for name in HEADERS:
        if not is_query(connection.headers.get(name, "")):
            raise invalid(name, ONE_LINE)
    for name, values in connection.query_params.dict().items():
        if not is_query(name):
            raise invalid("query", ONE_LINE)
        if not all(is_query(value) for value in values):
            raise invalid(name, ONE_LINE)
