"""The breaker: closed, open, and one try at a time in between."""

from domain.breaker import PAUSE_SECONDS, PAUSE_SECONDS_MAX, TROUBLES_MAX, BreakerState

CLOSED = BreakerState()
REFUSED = CLOSED.after_refusal("HTTP 403: User is locked", 0.0)


def troubled(times: int) -> BreakerState:
    state = CLOSED
    for _ in range(times):
        state = state.after_trouble("HTTP 503", 0.0)
    return state


def test_a_closed_breaker_limits_nothing() -> None:
    assert CLOSED.limit(100, 7, 0.0) == 100


def test_a_refused_account_opens_it_at_once_and_keeps_the_providers_words() -> None:
    assert REFUSED.is_open(PAUSE_SECONDS - 1)
    assert REFUSED.limit(100, 0, 1.0) == 0
    assert "User is locked" in REFUSED.alarm


def test_only_several_troubles_in_a_row_open_it() -> None:
    assert troubled(TROUBLES_MAX - 1).limit(100, 0, 0.0) == 100
    assert troubled(TROUBLES_MAX).limit(100, 0, 0.0) == 0


def test_after_the_pause_one_submission_tries_whether_it_is_over() -> None:
    assert [REFUSED.limit(slots, 0, PAUSE_SECONDS) for slots in (100, 0)] == [1, 0]
    assert REFUSED.limit(100, 1, PAUSE_SECONDS) == 0, "one that is under way is a try already"


def test_each_try_that_fails_doubles_the_pause_up_to_its_limit() -> None:
    pauses, state = [], REFUSED
    for _ in range(4):
        state = state.after_refusal("HTTP 402", state.open_until)
        pauses.append(state.pause_seconds)
    assert pauses == [2 * PAUSE_SECONDS, 4 * PAUSE_SECONDS, PAUSE_SECONDS_MAX, PAUSE_SECONDS_MAX]


def test_a_submission_that_fails_while_it_is_open_is_no_try() -> None:
    again = REFUSED.after_refusal("HTTP 402", 1.0)
    assert (again.pause_seconds, again.open_until) == (PAUSE_SECONDS, PAUSE_SECONDS + 1.0)
