"""Who may issue and revoke access tokens: operators all, services those of their own users."""

from collections.abc import Callable

import pytest

from contracts.events import AccessTokenRevoked
from contracts.events.account import Role
from contracts.ids import TokenId
from domain import tokens
from domain.refusals import Refused
from tests.support.examples import ACCOUNT, OTHER

TOKEN = TokenId("token-1")
COMMAND = tokens.RevokeToken(TOKEN, by=OTHER)


def refused(act: Callable[[], object]) -> str | None:
    try:
        act()
    except Refused as refusal:
        return refusal.code
    return None


@pytest.mark.parametrize(
    ("caller", "role", "code"),
    [
        (Role.OPERATOR, Role.OPERATOR, None),
        (Role.OPERATOR, Role.SERVICE, None),
        (Role.SERVICE, Role.USER, None),
        (Role.SERVICE, Role.SERVICE, "forbidden"),
        (Role.SERVICE, Role.OPERATOR, "forbidden"),
    ],
)
def test_a_service_issues_and_revokes_tokens_of_users_only(
    caller: Role, role: Role, code: str | None
) -> None:
    assert refused(lambda: tokens.check_may_issue(caller, role)) == code
    hidden = "not_found" if code else None
    assert refused(lambda: tokens.check_may_revoke(caller, role)) == hidden


def test_users_issue_nothing_and_operators_alone_see_all() -> None:
    assert refused(lambda: tokens.check_is_issuer(Role.USER)) == "forbidden"
    assert refused(lambda: tokens.check_is_issuer(Role.SERVICE)) is None
    assert refused(lambda: tokens.check_is_operator(Role.SERVICE)) == "forbidden"


def test_a_service_stands_for_its_own_account_and_an_operator_for_none() -> None:
    assert tokens.issuer_of(Role.SERVICE, ACCOUNT) == ACCOUNT
    assert tokens.issuer_of(Role.OPERATOR, ACCOUNT) is None


def test_a_service_revokes_in_accounts_that_it_made_and_once() -> None:
    revoked = AccessTokenRevoked(account_id=ACCOUNT, token_id=TOKEN)
    assert tokens.revoke(COMMAND, ACCOUNT, OTHER, frozenset()) == [revoked]
    assert tokens.revoke(COMMAND, ACCOUNT, OTHER, frozenset({TOKEN})) == []
    assert refused(lambda: tokens.revoke(COMMAND, ACCOUNT, None, frozenset())) == "not_found"
