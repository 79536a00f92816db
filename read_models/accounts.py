"""Accounts: their credits, and every entry that moved them."""

import sqlalchemy as sa
from msgspec import Struct, structs

from contracts.events import (
    AccessTokenIssued,
    AccessTokenRevoked,
    AccountOpened,
    EndpointRegistered,
    EndpointRemoved,
    EndpointSecretRotated,
    Event,
    NotificationRequested,
)
from contracts.ids import AccountId
from domain.account import Account, NeededFacts
from domain.balance import EFFECTS, JOBS_OPEN, MOVES, available
from domain.endpoints import Registered
from read_models import access_tokens, answered_requests, endpoints, exclusive_keys, job_links
from read_models.tables import METADATA, Short, reader, table_of
from read_models.unit_of_work import At, Model, Row, UnitOfWork, key_by

table = sa.Table(
    "accounts",
    METADATA,
    sa.Column("account_id", sa.Text, primary_key=True),
    sa.Column("owner", sa.Text),  # The account of the service that made it.
    sa.Column("granted", sa.BigInteger, nullable=False),
    sa.Column("revoked", sa.BigInteger, nullable=False),
    sa.Column("charged", sa.BigInteger, nullable=False),
    sa.Column("held", sa.BigInteger, nullable=False),
    sa.Column("jobs_open", sa.BigInteger, nullable=False),
    # Of its last commit on its own subject.
    sa.Column("own_sequence", sa.BigInteger, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("change", sa.Integer, nullable=False),
)
RANK = 1  # This table's number among the streamed tables: see At.change.
SUMS = ("granted", "revoked", "charged", "held")

# Events of the account after which its row shows its readers the same as before.
UNSEEN: frozenset[type[Event]] = frozenset(
    {EndpointRegistered, EndpointSecretRotated, EndpointRemoved, NotificationRequested}
)


class LedgerEntry(Struct, frozen=True, kw_only=True):
    """One move of credits, and the balance after it. `at` is in microseconds."""

    sequence: int
    index: Short
    account_id: str
    at: int
    move: str
    amount: int
    job_id: str | None
    actor: str
    reason: str | None
    available_after: int
    held_after: int


entries = table_of(
    "credit_entries",
    LedgerEntry,
    sa.Index("credit_entries_of_account", "account_id", "sequence", "index"),
    keys=2,
)
_read = reader(LedgerEntry)


def project(event: Event, at: At, unit: UnitOfWork) -> None:
    account = getattr(event, "account_id", "")
    row = unit.row(table, account)
    if row is None:
        row = _opened(account)
        unit.put(table, account, row)
    if at.boundary == "account":
        row["own_sequence"] = at.sequence
    if type(event) in UNSEEN:
        return
    row |= {"sequence": at.sequence, "change": at.change(RANK)}
    if isinstance(event, AccountOpened):
        row["owner"] = event.owner
    row["jobs_open"] += JOBS_OPEN.get(type(event), 0)
    if type(event) not in MOVES:
        return
    move, effects = MOVES[type(event)]
    amount = getattr(event, "amount", 0)
    for name, sign in effects.items():
        row[name] += sign * amount
    unit.insert(
        entries,
        {
            "sequence": at.sequence,
            "index": at.index,
            "account_id": account,
            "at": at.micros,
            "move": move,
            "amount": amount,
            "job_id": getattr(event, "job_id", None),
            "actor": at.actor,
            "reason": getattr(event, "reason", None),
            "available_after": available(
                granted=row["granted"],
                revoked=row["revoked"],
                charged=row["charged"],
                held=row["held"],
            ),
            "held_after": row["held"],
        },
    )


def _opened(account: str) -> Row:
    names = (column.name for column in table.columns if not isinstance(column.type, sa.Text))
    return {"account_id": account, "owner": None, **dict.fromkeys(map(str, names), 0)}


MODEL = Model(
    table,
    frozenset({*MOVES, *JOBS_OPEN, *UNSEEN, AccountOpened, AccessTokenIssued, AccessTokenRevoked}),
    key_by("account_id"),
    project,
)

_BY_ID = sa.select(table).where(table.c.account_id == sa.bindparam("account_id"))


class Balance(Struct, frozen=True):
    account: Account
    sequence: int  # Of the last commit that touched it, on whatever subject.
    change: int = 0


def find(connection: sa.Connection, account: AccountId) -> Balance:
    """Return the account; one without entries has zeros."""
    found = connection.execute(_BY_ID, {"account_id": account}).one_or_none()
    if found is None:
        return Balance(Account(id=account), 0)
    state = Account(
        id=account,
        owner=found.owner,
        granted=found.granted,
        revoked=found.revoked,
        charged=found.charged,
        held=found.held,
        jobs_open=found.jobs_open,
        sequence=found.own_sequence,
    )
    return Balance(state, found.sequence, found.change)


def as_of(connection: sa.Connection, account: AccountId, sequence: int) -> Balance:
    """Return the account as the commit at `sequence` left it, by taking back what came after."""
    balance = find(connection, account)
    sums = {name: getattr(balance.account, name) for name in SUMS}
    since = sa.select(entries.c.move, entries.c.amount).where(
        entries.c.account_id == account, entries.c.sequence > sequence
    )
    for entry in connection.execute(since):
        for name, sign in EFFECTS[entry.move].items():
            sums[name] -= sign * entry.amount
    return structs.replace(balance, account=structs.replace(balance.account, **sums))


def snapshot(connection: sa.Connection, account: AccountId, wanted: NeededFacts) -> Account:
    """Return what a decision needs: the row, and what it wants to know beside it."""
    state = find(connection, account).account
    if wanted.keys:
        answered = answered_requests.find(connection, account, wanted.keys)
        state = structs.replace(state, answered=answered)
    if wanted.retry_of:
        retried = job_links.standing_retries(connection, wanted.retry_of)
        state = structs.replace(state, retried=retried)
    if wanted.exclusive_keys:
        opened = exclusive_keys.open_of(connection, account, wanted.exclusive_keys)
        state = structs.replace(state, open_exclusive_keys=opened)
    if wanted.tokens:
        revoked = frozenset(access_tokens.revoked_among(connection, list(wanted.tokens)))
        state = structs.replace(state, revoked_tokens=revoked)
    if wanted.endpoints:
        known = endpoints.of_account(connection, account)
        registered = {
            each: Registered(found.url, found.types, found.enabled) for each, found in known.items()
        }
        state = structs.replace(state, endpoints=registered)
    return state


def newest_entries(
    connection: sa.Connection, account: AccountId, before: tuple[int, int] | None, limit: int
) -> list[LedgerEntry]:
    """Return entries, newest first; `before` is the `(sequence, index)` of the last one seen."""
    query = sa.select(entries).where(entries.c.account_id == account)
    if before is not None:
        query = query.where(sa.tuple_(entries.c.sequence, entries.c.index) < before)
    query = query.order_by(entries.c.sequence.desc(), entries.c.index.desc()).limit(limit)
    return [_read(found) for found in connection.execute(query)]
