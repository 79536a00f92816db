"""A handler that is never called is no error to anyone: so its headlines are checked here."""

import pytest

from adapters.broker import Subscription
from adapters.broker_setup import SETTLE_RESULTS, SUBMIT_JOBS, SUBSCRIPTIONS
from contracts.commit import HEADLINES, Headline
from contracts.events import Event, JobRequested, ResultReceived

# What each handler acts on.
ACTS_ON: dict[str, tuple[Subscription, type[Event]]] = {
    "submit_jobs": (SUBMIT_JOBS, JobRequested),
    "settle_results": (SETTLE_RESULTS, ResultReceived),
}


def test_every_subscription_has_a_handler_listed_here() -> None:
    assert {subscription for subscription, _ in ACTS_ON.values()} == set(SUBSCRIPTIONS)


@pytest.mark.parametrize("name", ACTS_ON)
def test_headlines_exist_and_cover_every_commit_that_can_carry_the_event(name: str) -> None:
    subscription, event = ACTS_ON[name]
    assert subscription.headlines <= set(Headline)
    assert HEADLINES[event] in subscription.headlines
    # A headline of higher precedence would hide the event from the handler.
    ranked = list(Headline)
    above = ranked[: ranked.index(HEADLINES[event])]
    assert set(above) <= subscription.headlines | _never_beside(event)


def _never_beside(event: type[Event]) -> set[Headline]:
    """Headlines of other subjects: one commit has events of one boundary only."""
    if event is JobRequested:
        return set()
    return set(Headline) - {Headline.RESULT}
