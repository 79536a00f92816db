"""An account never gives what it does not have, and answers a request once."""

from typing import Any

import pytest

from contracts.commit import CommitRequest, Recorded
from contracts.events import (
    AccessTokenIssued,
    AccessTokenRevoked,
    AccountOpened,
    CreditsGranted,
    CreditsReserved,
    CreditsRevoked,
    JobRequested,
)
from contracts.events.account import Role
from contracts.ids import AccountId, TokenId
from contracts.subjects import account_subject
from domain.account import (
    Account,
    EarlierAnswer,
    GrantCredits,
    RequestJobs,
    RevokeCredits,
    decide,
    earlier_answer,
    evolve,
    evolve_commit,
)
from domain.refusals import Refused
from domain.tokens import IssueToken, RevokeToken
from tests.support.deciders import Given
from tests.support.examples import ACCOUNT, a_job_id, commit, requested


def granted(amount: int) -> CreditsGranted:
    return CreditsGranted(account_id=ACCOUNT, amount=amount, reason="welcome")


def given(*history: object) -> Given[Account, object, object]:
    return Given(decide, evolve, Account(id=ACCOUNT), *history)  # type: ignore[arg-type]


def jobs(count: int, price_credits: int = 1) -> RequestJobs:
    each = (requested(a_job_id(), price_credits=price_credits) for _ in range(count))
    return RequestJobs(tuple(each))


def test_an_account_cannot_reserve_more_than_it_has() -> None:
    given(granted(10)).when(jobs(1, price_credits=11)).then_refused("insufficient_credits")


def test_too_few_credits_for_all_jobs_request_none_of_them() -> None:
    given(granted(3)).when(jobs(4)).then_refused("insufficient_credits")


def test_each_job_gets_a_hold_of_its_own() -> None:
    outcome = given(granted(2)).when(jobs(2))
    outcome.then_kinds(CreditsReserved, JobRequested, CreditsReserved, JobRequested)
    hold, job = outcome.events[:2]
    assert hold.job_id == job.job_id


def test_a_second_retry_is_refused_while_one_stands() -> None:
    failed = a_job_id()
    first = requested(a_job_id(), retry_of=failed)
    second = RequestJobs((requested(a_job_id(), retry_of=failed),))
    given(granted(5)).when(RequestJobs((first,))).then_kinds(CreditsReserved, JobRequested)
    refusal = given(granted(5), first).when(second).refusal
    assert refusal is not None
    assert (refusal.code, refusal.extra) == ("already_retried", {"retried_as": first.job_id})


def test_a_refusal_says_what_is_needed_and_what_there_is() -> None:
    refusal = given(granted(1)).when(jobs(2)).refusal
    assert refusal is not None
    assert refusal.extra == {"needed": 2, "available": 1}


def test_held_credits_cannot_be_revoked() -> None:
    hold = CreditsReserved(account_id=ACCOUNT, job_id=a_job_id(), amount=6)
    given(granted(10), hold).when(RevokeCredits(5, "mistake")).then_refused("insufficient_credits")
    given(granted(10), hold).when(RevokeCredits(4, "mistake")).then_kinds(CreditsRevoked)


@pytest.mark.parametrize("amount", [0, -1, 10**9 + 1])
def test_an_amount_is_a_positive_number_within_reason(amount: int) -> None:
    given().when(GrantCredits(amount, "x")).then_refused("invalid")
    given(granted(5)).when(RevokeCredits(amount, "x")).then_refused("invalid")


def test_the_same_key_with_the_same_content_finds_its_earlier_answer() -> None:
    answered = EarlierAnswer("content", 7, (0, 1))
    account = Account(id=ACCOUNT, answered={"key": answered})
    assert earlier_answer("key", "content", account) == answered
    assert earlier_answer("other", "content", account) is None
    assert earlier_answer(None, None, account) is None


def test_the_same_key_with_other_content_is_refused() -> None:
    account = Account(id=ACCOUNT, answered={"key": EarlierAnswer("content", 7, ())})
    with pytest.raises(Refused, match="idempotency_key_reused"):
        earlier_answer("key", "other", account)


def test_folding_a_commit_remembers_what_it_answered() -> None:
    request = CommitRequest(
        actor="a", correlation_id="c", events=(0,), idempotency_key="k", fingerprint="f"
    )
    written = commit(granted(5), requests=(request,))
    account = evolve_commit(Account(id=ACCOUNT), Recorded(9, account_subject(ACCOUNT), written))
    assert (account.available, account.sequence) == (5, 9)
    assert account.answered["k"] == EarlierAnswer("f", 9, (0,))


SERVICE = AccountId("back-end")
TOKEN = TokenId("t")


def opened(owner: AccountId | None) -> AccountOpened:
    return AccountOpened(account_id=ACCOUNT, owner=owner)


def grant(by: AccountId | None) -> GrantCredits:
    return GrantCredits(1, "welcome", by)


def issue(by: AccountId | None) -> IssueToken:
    return IssueToken(TOKEN, "ab", Role.USER, by)


@pytest.mark.parametrize("by", [None, SERVICE])
def test_an_account_is_opened_by_its_first_token_or_grant_and_belongs_to_who_gave_it(
    by: AccountId | None,
) -> None:
    given().when(grant(by)).then_kinds(AccountOpened, CreditsGranted)
    outcome = given().when(issue(by))
    outcome.then_kinds(AccountOpened, AccessTokenIssued)
    assert outcome.events[0] == opened(by)


@pytest.mark.parametrize("command", [grant, issue])
def test_a_service_gives_to_its_own_accounts_only(command: Any) -> None:
    given(opened(SERVICE)).when(command(SERVICE)).then_kinds(_given_by(command))
    given(opened(SERVICE)).when(command(None)).then_kinds(_given_by(command))
    given(opened(None)).when(command(SERVICE)).then_refused("forbidden")
    given(opened(AccountId("another"))).when(command(SERVICE)).then_refused("forbidden")


def _given_by(command: Any) -> type[Any]:
    return CreditsGranted if command is grant else AccessTokenIssued


@pytest.mark.parametrize("role", [Role.SERVICE, Role.OPERATOR])
def test_an_account_that_a_service_made_becomes_no_service_itself(role: Role) -> None:
    """Its owner could register endpoints there, which hear of all users of the new service."""
    command = IssueToken(TOKEN, "ab", role)
    given(opened(SERVICE)).when(command).then_refused("forbidden")
    given(opened(None)).when(command).then_kinds(AccessTokenIssued)
    given().when(command).then_kinds(AccountOpened, AccessTokenIssued)


def test_an_account_from_before_ownership_exists_and_is_nobodys() -> None:
    old = Account(id=ACCOUNT, sequence=7)
    with pytest.raises(Refused, match="forbidden"):
        decide(grant(SERVICE), old)
    assert len(decide(grant(None), old)) == 1


def test_a_service_revokes_the_tokens_of_its_own_accounts_only() -> None:
    revoke = RevokeToken(TOKEN, SERVICE)
    given(opened(SERVICE)).when(revoke).then_kinds(AccessTokenRevoked)
    given(opened(None)).when(revoke).then_refused("not_found")
    given(opened(AccountId("another"))).when(revoke).then_refused("not_found")
    given(opened(None)).when(RevokeToken(TOKEN)).then_kinds(AccessTokenRevoked)


def test_a_token_is_revoked_once() -> None:
    revoked = AccessTokenRevoked(account_id=ACCOUNT, token_id=TOKEN)
    given(opened(None), revoked).when(RevokeToken(TOKEN)).then_nothing()
