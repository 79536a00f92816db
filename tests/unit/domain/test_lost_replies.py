"""Which listed request belongs to which attempt: only where there is no doubt."""

from datetime import timedelta
from typing import Any

from domain.lost_replies import ListedRequest, UnansweredAttempt, match_lost_replies
from tests.support.examples import at

ONE, TWO = "one/1", "two/1"


def sent(attempt: str, prompt: str, seconds: float = 0) -> UnansweredAttempt:
    return UnansweredAttempt(attempt, {"prompt": prompt}, at(seconds))


def seen(request_id: str, prompt: Any, seconds: float = 1) -> ListedRequest:
    return ListedRequest(request_id, {"prompt": prompt}, at(seconds))


def test_a_request_with_the_same_input_is_the_attempts() -> None:
    assert match_lost_replies([sent(ONE, "reefs")], [seen("r1", "cats"), seen("r2", "reefs")]) == {
        ONE: "r2"
    }


def test_what_is_not_listed_goes_on_waiting() -> None:
    assert match_lost_replies([sent(ONE, "reefs")], [seen("r1", "cats")]) == {}


def test_of_two_alike_one_request_proves_nothing() -> None:
    assert match_lost_replies([sent(ONE, "reefs"), sent(TWO, "reefs")], [seen("r1", "reefs")]) == {}


def test_two_requests_for_one_attempt_prove_nothing() -> None:
    assert (
        match_lost_replies([sent(ONE, "reefs")], [seen("r1", "reefs"), seen("r2", "reefs")]) == {}
    )


def test_two_alike_and_two_requests_prove_nothing_either() -> None:
    """A late reply could still tell that they are the other way round."""
    attempts = [sent(TWO, "reefs", 5), sent(ONE, "reefs", 0)]
    assert match_lost_replies(attempts, [seen("late", "reefs", 6), seen("early", "reefs", 1)]) == {}


def test_a_request_from_long_before_is_somebody_elses() -> None:
    old = ListedRequest("r1", {"prompt": "reefs"}, at(0) - timedelta(hours=1))
    assert match_lost_replies([sent(ONE, "reefs")], [old]) == {}
