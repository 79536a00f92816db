"""When a delivery to a customer is tried again, when never more, and how it is signed."""

import base64
from datetime import timedelta

from domain.notifications import (
    DISABLE_AFTER,
    PAUSES,
    disables,
    next_attempt_at,
    secret_of,
    signature,
)
from tests.support.examples import at


def test_the_pauses_are_those_of_svix_and_end() -> None:
    seconds = [pause.total_seconds() for pause in PAUSES]
    assert seconds == [5, 300, 1800, 7200, 18_000, 36_000, 36_000]
    assert next_attempt_at(1, at(), 0) == at(5)
    assert next_attempt_at(7, at(), 0) == at(36_000)
    assert next_attempt_at(8, at(), 0) is None


def test_jitter_adds_at_most_a_tenth() -> None:
    assert next_attempt_at(2, at(), 1.0) == at(330)


def test_days_of_failures_or_a_410_disable_and_one_failure_does_not() -> None:
    assert not disables(500, None, at())
    assert not disables(500, at(), at() + DISABLE_AFTER)
    assert disables(500, at(), at() + DISABLE_AFTER + timedelta(seconds=1))
    assert disables(410, None, at())


def test_a_signature_is_standard_webhooks_own_example() -> None:
    """The vector of the Standard Webhooks specification's reference libraries."""
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    signed = signature([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body)
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_two_secrets_sign_side_by_side() -> None:
    both = [secret_of(b"a" * 24), secret_of(b"b" * 24)]
    assert len(signature(both, "m", 1, b"{}").split(" ")) == 2
    assert len(base64.b64decode(both[0].removeprefix("whsec_"))) == 24
