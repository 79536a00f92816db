"""An account never gives what it does not have, and answers a request once."""

import pytest

from contracts.commit import Recorded, Request
from contracts.events import (
    CreditsGranted,
    CreditsReserved,
    CreditsRevoked,
    JobRequested,
)
from contracts.subjects import account_subject
from domain.account import (
    Account,
    Answered,
    GrantCredits,
    RequestJobs,
    RevokeCredits,
    decide,
    earlier_answer,
    evolve,
    evolve_commit,
)
from domain.refusals import Refused
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
    answered = Answered("content", 7, (0, 1))
    account = Account(id=ACCOUNT, answered={"key": answered})
    assert earlier_answer("key", "content", account) == answered
    assert earlier_answer("other", "content", account) is None
    assert earlier_answer(None, None, account) is None


def test_the_same_key_with_other_content_is_refused() -> None:
    account = Account(id=ACCOUNT, answered={"key": Answered("content", 7, ())})
    with pytest.raises(Refused, match="idempotency_key_reused"):
        earlier_answer("key", "other", account)


def test_folding_a_commit_remembers_what_it_answered() -> None:
    request = Request(
        actor="a", correlation_id="c", events=(0,), idempotency_key="k", fingerprint="f"
    )
    written = commit(granted(5), requests=(request,))
    account = evolve_commit(Account(id=ACCOUNT), Recorded(9, account_subject(ACCOUNT), written))
    assert (account.available, account.sequence) == (5, 9)
    assert account.answered["k"] == Answered("f", 9, (0,))
