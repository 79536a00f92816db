"""Shows an account's credits, and every entry that moved them."""

import re
from typing import Any

from litestar import get
from litestar.params import FromQuery

from adapters.http_server import AnyRequest
from application.documents import credits_document
from domain.refusals import invalid
from read_models import accounts
from services.api.dependencies import api_of
from services.api.documents import entry_document
from services.api.handlers.authenticate_callers import caller_of

LIMIT_MAX = 100
_PAGE = re.compile(r"([0-9]{1,18})\.([0-9]{1,9})", re.ASCII)


@get("/credits")
async def show_credits(request: AnyRequest) -> dict[str, Any]:
    """The caller's own credits; zeros without entries."""
    api, account = api_of(request), caller_of(request).account_id
    balance = await api.database.read(accounts.find, account)
    return credits_document(balance.account, api.as_of())


@get("/credits/entries")
async def list_entries(
    request: AnyRequest, limit: FromQuery[int] = 50, cursor: FromQuery[str | None] = None
) -> dict[str, Any]:
    """The caller's own entries, newest first; `next` is the next page's cursor, or null."""
    if not 1 <= limit <= LIMIT_MAX:
        raise invalid("limit", f"must be from 1 to {LIMIT_MAX}")
    before = None
    if cursor is not None:
        parsed = _PAGE.fullmatch(cursor)
        if parsed is None:
            raise invalid("cursor", "is not a cursor of this list")
        before = (int(parsed[1]), int(parsed[2]))
    api, account = api_of(request), caller_of(request).account_id
    found = await api.database.read(accounts.newest_entries, account, before, limit)
    last = found[-1] if len(found) == limit else None
    following = f"{last.sequence}.{last.index}" if last else None
    return {"items": [entry_document(entry) for entry in found], "next": following}
