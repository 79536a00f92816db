"""Estimates: nothing is promised without history, and no bar runs backwards."""

import random

from hypothesis import given
from hypothesis import strategies as st

from domain.estimates import (
    BAR_MAX,
    COUNT_MAX,
    COUNT_MIN,
    Durations,
    Expectation,
    eta_seconds,
    progress,
)

SECOND = 1_000_000


def history(*seconds: float) -> Durations:
    known = Durations()
    for each in seconds:
        known = known.with_one(int(each * SECOND))
    return known


def test_with_too_little_history_nothing_is_said() -> None:
    assert history(*[30] * (COUNT_MIN - 1)).quantile(0.5) is None
    assert history(*[30] * COUNT_MIN).quantile(0.5) is not None
    assert eta_seconds(Expectation(), 5 * SECOND) is None


def test_nine_of_ten_held_out_jobs_take_no_longer_than_the_p90() -> None:
    dice = random.Random(1)
    drawn = [dice.lognormvariate(3.5, 0.4) for _ in range(2000)]
    p90 = history(*drawn[:1000]).quantile(0.9)
    assert p90 is not None
    within = sum(each * SECOND <= p90 for each in drawn[1000:]) / 1000
    assert 0.85 <= within <= 0.95


def test_the_recent_past_outweighs_the_old() -> None:
    known = history(*[10] * (COUNT_MAX * 2), *[40] * (COUNT_MAX * 2))
    assert known.count <= COUNT_MAX
    median = known.quantile(0.5)
    assert median is not None
    assert median > 30 * SECOND


def test_what_is_left_counts_down_to_the_p50_then_to_the_p90_then_nobody_knows() -> None:
    expected = Expectation(30 * SECOND, 50 * SECOND)
    shown = [eta_seconds(expected, seconds * SECOND) for seconds in (0, 29, 30, 49, 50, 99)]
    assert shown == [30, 1, 20, 1, None, None]


@given(
    st.one_of(st.none(), st.integers(1, 10**9)),
    st.one_of(st.none(), st.integers(1, 10**9)),
    st.lists(st.integers(0, 10**10), min_size=2).map(sorted),
)
def test_the_bar_never_runs_backwards_and_never_passes_95(
    p50: int | None, p90: int | None, elapsed: list[int]
) -> None:
    bars = [progress(Expectation(p50, p90), each) for each in elapsed]
    assert bars == sorted(bars)
    assert 0 <= min(bars) <= max(bars) <= BAR_MAX
