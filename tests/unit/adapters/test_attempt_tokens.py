"""An attempt token opens for its own job and attempt only."""

import pytest

from adapters.attempt_tokens import AttemptTokens
from tests.support.examples import ACCOUNT, a_job_id

TOKENS = AttemptTokens(bytes(range(32)))
JOB = a_job_id()


def test_a_token_tells_whose_job_it_is_about() -> None:
    token = TOKENS.mint(ACCOUNT, JOB, 1)
    assert TOKENS.open(token, JOB, 1) == ACCOUNT
    assert ACCOUNT not in token


def test_a_token_is_of_one_job_and_one_attempt() -> None:
    token = TOKENS.mint(ACCOUNT, JOB, 1)
    assert TOKENS.open(token, JOB, 2) is None
    assert TOKENS.open(token, a_job_id(), 1) is None
    assert AttemptTokens(bytes(32)).open(token, JOB, 1) is None


@pytest.mark.parametrize("token", ["", "x", "é", "=" * 10, "A" * 60, "A" * 10_000, "\x00"])
def test_anything_else_opens_nothing(token: str) -> None:
    assert TOKENS.open(token, JOB, 1) is None
