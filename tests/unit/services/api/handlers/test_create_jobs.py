"""Creating jobs: how long the answer waits for the submission, as `Prefer` (RFC 7240) says."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from services.api.handlers.create_jobs import Preference, _with_whole_numbers, preference_of

DEFAULT = Preference(1.0)


def preferring(text: str | None) -> Preference:
    headers = {} if text is None else {"prefer": text}
    return preference_of(cast("Any", SimpleNamespace(headers=headers)), DEFAULT.seconds)


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


def test_whole_numbers_are_whole_however_they_are_written() -> None:
    body = {"a": 3.0, "b": [1.0, {"c": -0.0}], "d": 2.5, "e": "1.0", "f": True, "g": None}
    found = _with_whole_numbers(body)
    assert found == {"a": 3, "b": [1, {"c": 0}], "d": 2.5, "e": "1.0", "f": True, "g": None}
    assert [type(found["a"]), type(found["b"][1]["c"]), type(found["f"])] == [int, int, bool]
