"""When a customer is notified again, and when no more."""

from datetime import timedelta

from domain.notifications import DISABLE_AFTER, PAUSES, disables, next_attempt_at
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
    later = at() + DISABLE_AFTER + timedelta(seconds=1)
    assert not disables(at(), is_gone=False, failing_since=None)
    assert not disables(at() + DISABLE_AFTER, is_gone=False, failing_since=at())
    assert disables(later, is_gone=False, failing_since=at())
    assert disables(at(), is_gone=True, failing_since=None)
