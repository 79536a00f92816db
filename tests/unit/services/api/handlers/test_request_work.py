"""How long an answer waits for the submission, as `Prefer` (RFC 7240) says."""

import pytest

from services.api.handlers.request_work import Preference, preference_of

DEFAULT = Preference(1.0)


def preferring(text: str | None) -> Preference:
    return preference_of(text or "", DEFAULT.seconds)


@pytest.mark.parametrize("text", [None, "", "handling=lenient", "wait", "wait=", "wait=soon"])
def test_without_a_preference_that_is_understood_the_default_holds(text: str | None) -> None:
    assert preferring(text) == DEFAULT


def test_respond_async_waits_for_nothing() -> None:
    assert preferring("respond-async") == Preference(0.0, "respond-async")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("wait=5", 5.0), ("wait=0.5", 0.5), ("wait=0", 0.0), ("wait=-3", 0.0), ("wait=1e9", 30.0)],
)
def test_a_wait_is_kept_between_none_and_half_a_minute(text: str, seconds: float) -> None:
    assert preferring(text).seconds == seconds


def test_what_is_applied_is_said_as_it_is_applied() -> None:
    assert preferring("wait=100").applied == "wait=30"
    assert preferring("wait=2.50").applied == "wait=2.5"


@pytest.mark.parametrize("text", ["wait=nan", "wait=NaN"])
def test_a_wait_that_is_no_number_is_passed_over(text: str) -> None:
    assert preferring(text) == DEFAULT


def test_of_several_preferences_the_first_that_is_understood_holds() -> None:
    assert preferring("handling=lenient, wait=5, respond-async").applied == "wait=5"
    assert preferring("wait=soon,respond-async").applied == "respond-async"
