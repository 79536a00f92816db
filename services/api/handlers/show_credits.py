"""Shows an account's credits, and every entry that moved them."""

from litestar import get
from litestar.params import FromQuery

from application.documents import credits_document
from read_models import accounts
from services.api.dependencies import Api, Injected
from services.api.documents import Document, entry_document
from services.api.handlers.callers import Caller
from services.api.handlers.pages import LIMIT, check_limit, entry_of


@get("/credits")
async def show_credits(api: Injected[Api], caller: Injected[Caller]) -> Document:
    """The caller's own credits; zeros without entries."""
    balance = await api.database.read(accounts.find, caller.account_id)
    return credits_document(balance.account, api.as_of())


@get("/credits/entries")
async def list_entries(
    api: Injected[Api],
    caller: Injected[Caller],
    limit: FromQuery[int] = LIMIT,
    cursor: FromQuery[str | None] = None,
) -> Document:
    """The caller's own entries, newest first; `next` is the next page's cursor, or null."""
    check_limit(limit)
    after = entry_of(cursor)
    found = await api.database.read(accounts.newest_entries, caller.account_id, after, limit)
    last = found[-1] if len(found) == limit else None
    following = f"{last.sequence}.{last.index}" if last else None
    return {"items": [entry_document(entry) for entry in found], "next": following}
