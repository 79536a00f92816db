"""A handler that is never called is no error to anyone: so its commit_kinds are checked here."""

import pytest

from adapters.broker import Subscription
from adapters.broker_setup import SETTLE_RESULTS, SUBMIT_JOBS, SUBSCRIPTIONS
from contracts.commit import COMMIT_KINDS, CommitKind
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
    assert subscription.commit_kinds <= set(CommitKind)
    assert COMMIT_KINDS[event] in subscription.commit_kinds
    # A commit_kind of higher precedence would hide the event from the handler.
    ranked = list(CommitKind)
    above = ranked[: ranked.index(COMMIT_KINDS[event])]
    assert set(above) <= subscription.commit_kinds | _never_beside(event)


def _never_beside(event: type[Event]) -> set[CommitKind]:
    """Headlines of other subjects: one commit has events of one boundary only."""
    if event is JobRequested:
        return set()
    return set(CommitKind) - {CommitKind.RESULT}
