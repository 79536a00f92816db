"""Access tokens: only their hashes, whose they are and what they may."""

from msgspec import Struct
from sqlalchemy import Connection, Index, bindparam, select

from contracts.events import AccessTokenIssued, AccessTokenRevoked, Event
from contracts.events.account import Role
from contracts.ids import AccountId
from read_models.tables import reader, table_of
from read_models.unit_of_work import At, Model, UnitOfWork, key_by


class AccessToken(Struct, frozen=True, kw_only=True):
    token_id: str
    account_id: AccountId
    sha256: str
    role: Role
    revoked: bool
    created_at: int
    sequence: int


table = table_of(
    "access_tokens",
    AccessToken,
    Index("access_tokens_by_hash", "sha256"),
    Index("access_tokens_of_account", "account_id", "created_at", "token_id"),
)
_read = reader(AccessToken)


def project(event: Event, at: At, unit: UnitOfWork) -> None:
    match event:
        case AccessTokenIssued(token_id=token, account_id=account, sha256=sha256, role=role):
            row = {
                "token_id": token,
                "account_id": account,
                "sha256": sha256,
                "role": role.value,
                "revoked": False,
                "created_at": at.micros,
                "sequence": at.sequence,
            }
            unit.put(table, token, row)
        case AccessTokenRevoked(token_id=token):
            known = unit.row(table, token)
            if known is not None:
                known |= {"revoked": True, "sequence": at.sequence}
        case _:
            return


MODEL = Model(
    table, frozenset({AccessTokenIssued, AccessTokenRevoked}), key_by("token_id"), project
)

_BY_HASH = select(table).where(table.c.sha256 == bindparam("sha256"))
_REVOKED = select(table.c.token_id).where(
    table.c.token_id.in_(bindparam("token_ids", expanding=True)), table.c.revoked.is_(True)
)


def by_hash(connection: Connection, sha256: str) -> AccessToken | None:
    """Return the token with this hash if it was not revoked."""
    found = connection.execute(_BY_HASH, {"sha256": sha256}).one_or_none()
    return _read(found) if found is not None and not found.revoked else None


def find(connection: Connection, token_id: str) -> AccessToken | None:
    """Return the token, revoked or not."""
    found = connection.execute(select(table).where(table.c.token_id == token_id)).one_or_none()
    return _read(found) if found is not None else None


def holds(connection: Connection, token_id: str) -> bool:
    """Tell whether the token was issued and not revoked."""
    found = find(connection, token_id)
    return found is not None and not found.revoked


def revoked_among(connection: Connection, token_ids: list[str]) -> list[str]:
    """Return which of these tokens were revoked. One without a row was not, as far as we know."""
    return list(connection.execute(_REVOKED, {"token_ids": token_ids}).scalars())


def of_account(connection: Connection, account: AccountId | None) -> list[AccessToken]:
    """Return the tokens of one account, or of all, oldest first."""
    query = select(table).order_by(table.c.created_at, table.c.token_id)
    if account is not None:
        query = query.where(table.c.account_id == account)
    return [_read(found) for found in connection.execute(query)]
