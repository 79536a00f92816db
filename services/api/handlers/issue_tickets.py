"""Issues tickets for streams: a browser's EventSource and WebSocket can send no header."""

from litestar import Response, post
from msgspec import Struct

from application.documents import Time
from domain.times import text_of
from services.api.dependencies import Api, Injected
from services.api.handlers.answers import NO_STORE
from services.api.handlers.callers import Caller


class IssuedTicket(Struct, frozen=True, kw_only=True):
    """A ticket opens a stream until `expires_at`."""

    ticket: str
    expires_at: Time


@post("/stream-tickets", status_code=201)
async def issue_ticket(api: Injected[Api], caller: Injected[Caller]) -> Response[IssuedTicket]:
    """Issue a ticket, with which a client that can send no header opens a stream (`?ticket=`).

    It opens one stream at a time: the first within a minute, and the same stream again until a
    minute after it was closed; an hour after it was issued it ends.
    """
    api.count_work(caller.account_id)
    text, expires_at = await api.tickets.issue(caller)
    document = IssuedTicket(ticket=text, expires_at=text_of(expires_at))
    return Response(document, status_code=201, headers=NO_STORE)
