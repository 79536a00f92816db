"""Refusals back off until the deadline; unknown outcomes are counted."""

from datetime import timedelta

import pytest
from msgspec import structs

from contracts.job_state import Attempt, JobState, Outcome
from domain.job import requested
from domain.retry import (
    after_refusal,
    after_unknown,
    ask_after_seconds,
    ask_every_seconds,
    busy_seconds,
    is_late,
)
from tests.support.examples import a_job_id, at
from tests.support.examples import requested as a_request


def job(*outcomes: Outcome) -> JobState:
    state = requested(a_request(a_job_id()), 1)
    return structs.replace(state, attempts=tuple(Attempt(outcome=each) for each in outcomes))


def wait(state: JobState, jitter: float = 0.0, retry_after: float | None = None) -> float:
    decision = after_refusal(
        state, at=at(), retry_after_seconds=retry_after, jitter=jitter, seconds_max=10.0
    )
    assert decision.not_before is not None
    return (decision.not_before - at()) / timedelta(seconds=1)


def test_back_off_doubles_from_half_a_second_up_to_its_limit() -> None:
    waits = [wait(job(*[Outcome.REFUSED] * count)) for count in range(7)]
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def test_jitter_takes_up_to_half_of_it_away() -> None:
    assert wait(job(), jitter=1.0) == 0.25


def test_retry_after_is_obeyed_up_to_a_minute() -> None:
    assert wait(job(), retry_after=7) == 7
    assert wait(job(), retry_after=600) == 60


def test_a_refusal_too_close_to_the_deadline_gives_up() -> None:
    late = after_refusal(
        job(), at=at(899.9), retry_after_seconds=None, jitter=0.0, seconds_max=10.0
    )
    assert late.not_before is None


def test_an_unknown_outcome_may_be_posted_again_a_few_times_only() -> None:
    opened = job(Outcome.OPEN)
    assert after_unknown(opened, at=at(), attempts_max=3).not_before == at()
    third = job(Outcome.UNKNOWN, Outcome.UNKNOWN, Outcome.OPEN)
    assert after_unknown(third, at=at(), attempts_max=3).not_before is None


def test_refused_attempts_do_not_count_as_unknown_ones() -> None:
    state = job(Outcome.REFUSED, Outcome.REFUSED, Outcome.REFUSED, Outcome.OPEN)
    assert after_unknown(state, at=at(), attempts_max=3).not_before == at()


def test_a_job_is_late_when_a_sweep_takes_its_message_for_lost() -> None:
    assert [is_late(at(0), at(seconds)) for seconds in (4, 6)] == [False, True]


@pytest.mark.parametrize(
    ("unknown", "busy", "ask_after", "ask_every"), [(180, 60, 45, 15), (30, 15, 10, 10)]
)
def test_a_provider_is_asked_before_an_outcome_counts_as_unknown(
    unknown: float, busy: float, ask_after: float, ask_every: float
) -> None:
    assert busy_seconds(unknown) == busy
    assert (ask_after_seconds(unknown), ask_every_seconds(unknown)) == (ask_after, ask_every)
