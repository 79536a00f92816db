"""Shows an account's credits, and every entry that moved them."""

from typing import cast

from litestar import get
from litestar.params import FromQuery
from msgspec import Struct

from application.documents import CreditsDocument, Time, credits_document
from domain.balance import Move
from domain.times import text_of
from read_models import accounts
from read_models.accounts import LedgerEntry
from services.api.dependencies import Api, Injected
from services.api.handlers.callers import Caller
from services.api.handlers.pages import LIMIT, check_limit, entry_of


class EntryDocument(Struct, frozen=True, kw_only=True):
    """One move of credits, and what the account had afterwards."""

    sequence: int
    at: Time
    move: Move
    amount: int
    job_id: str | None
    actor: str | None
    reason: str | None
    available_after: int
    held_after: int


class EntryPage(Struct, frozen=True, kw_only=True):
    """Some entries, newest first; `next` is the cursor of the next page, or null."""

    items: list[EntryDocument]
    next: str | None


@get("/credits")
async def show_credits(api: Injected[Api], caller: Injected[Caller]) -> CreditsDocument:
    """The caller's own credits; zeros without entries."""
    balance = await api.database.read(accounts.find, caller.account_id)
    return credits_document(balance.account, api.as_of())


@get("/credits/entries")
async def list_entries(
    api: Injected[Api],
    caller: Injected[Caller],
    limit: FromQuery[int] = LIMIT,
    cursor: FromQuery[str | None] = None,
) -> EntryPage:
    """The caller's own entries, newest first; `next` is the next page's cursor, or null."""
    check_limit(limit)
    after = entry_of(cursor)
    found = await api.database.read(accounts.newest_entries, caller.account_id, after, limit)
    last = found[-1] if len(found) == limit else None
    following = f"{last.sequence}.{last.index}" if last else None
    return EntryPage(items=[_document(entry) for entry in found], next=following)


def _document(entry: LedgerEntry) -> EntryDocument:
    return EntryDocument(
        sequence=entry.sequence,
        at=text_of(entry.at),
        move=cast("Move", entry.move),
        amount=entry.amount,
        job_id=entry.job_id,
        actor=entry.actor,
        reason=entry.reason,
        available_after=entry.available_after,
        held_after=entry.held_after,
    )
