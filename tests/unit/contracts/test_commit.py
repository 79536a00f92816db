"""Headlines: each event has one, and a commit tells the most telling of its own."""

from typing import get_args

from contracts.commit import HEADLINES, Headline, headline_of
from contracts.events import AnyEvent, CreditsGranted
from tests.support.examples import ACCOUNT, a_job_id, requested, reserved


def test_every_event_has_a_headline_from_the_closed_list() -> None:
    assert set(HEADLINES) == set(get_args(AnyEvent))
    assert set(HEADLINES.values()) == set(Headline)


def test_a_commit_with_work_in_it_says_so_whatever_else_it_holds() -> None:
    job = a_job_id()
    grant = CreditsGranted(account_id=ACCOUNT, amount=1, reason="welcome")
    assert headline_of([grant, reserved(job), requested(job)]) is Headline.WORK_REQUESTED
    assert headline_of([grant]) is Headline.ACCOUNT_CHANGED
