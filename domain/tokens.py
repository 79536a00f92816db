"""Access tokens: who may issue and revoke which. An operator all, a service its own users'."""

from collections.abc import Set as AbstractSet

from msgspec import Struct

from contracts.events import AccessTokenIssued, AccessTokenRevoked
from contracts.events.account import Role
from contracts.ids import AccountId, TokenId
from contracts.sealed import Sealed
from domain.refusals import Refused


class IssueToken(Struct, frozen=True):
    """`by` is the account of the service that asks, None when an operator does. `secret` is given
    where the answer may be asked for again.
    """

    token_id: TokenId
    sha256: str
    role: Role
    by: AccountId | None = None
    secret: Sealed | None = None


class RevokeToken(Struct, frozen=True):
    token_id: TokenId
    by: AccountId | None = None


def check_is_issuer(caller: Role) -> None:
    if caller not in {Role.OPERATOR, Role.SERVICE}:
        raise Refused("forbidden", "this path is for operators and services")


def check_is_operator(caller: Role) -> None:
    if caller is not Role.OPERATOR:
        raise Refused("forbidden", "this path is for operators")


def issuer_of(caller: Role, account: AccountId) -> AccountId | None:
    """Return the account of the service that asks, whose users' accounts these have to be; None
    for an operator.
    """
    return None if caller is Role.OPERATOR else account


def check_may_issue(caller: Role, role: Role) -> None:
    if caller is not Role.OPERATOR and role is not Role.USER:
        raise Refused("forbidden", "a service may issue tokens of users only")


def check_may_revoke(caller: Role, role: Role) -> None:
    """Refuse as if there were no such token: a service must not find out about others'."""
    if caller is not Role.OPERATOR and role is not Role.USER:
        raise no_such_token()


def no_such_token() -> Refused:
    return Refused("not_found", "there is no such token")


def issue(command: IssueToken, account: AccountId, owner: AccountId | None) -> AccessTokenIssued:
    """`owner` is the service that made the account. It could act for another service there, whose
    endpoints hear of all its users: by taking a name that an operator is about to give out.
    """
    if owner is not None and command.role is not Role.USER:
        raise Refused("forbidden", f"the account belongs to {owner}: choose another name")
    return AccessTokenIssued(
        account_id=account,
        token_id=command.token_id,
        sha256=command.sha256,
        role=command.role,
        secret=command.secret,
    )


def revoke(
    command: RevokeToken, account: AccountId, owner: AccountId | None, revoked: AbstractSet[TokenId]
) -> list[AccessTokenRevoked]:
    """`owner` is the service that made the account. A token that is revoked stays revoked."""
    if command.by is not None and command.by != owner:
        raise no_such_token()
    if command.token_id in revoked:
        return []
    return [AccessTokenRevoked(account_id=account, token_id=command.token_id)]
