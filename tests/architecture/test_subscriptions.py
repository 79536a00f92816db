"""A handler that is never called raises no error, so the commit kinds it asks for are checked."""

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
def test_a_handler_asks_for_every_commit_kind_that_can_hold_its_event(name: str) -> None:
    subscription, event = ACTS_ON[name]
    assert subscription.commit_kinds <= set(CommitKind)
    assert COMMIT_KINDS[event] in subscription.commit_kinds
    # A commit is of the first kind that one of its events has: kinds before this one count too.
    ranked = list(CommitKind)
    above = ranked[: ranked.index(COMMIT_KINDS[event])]
    assert set(above) <= subscription.commit_kinds | _never_beside(event)


def _never_beside(event: type[Event]) -> set[CommitKind]:
    """Return the commit kinds of other subjects: one commit has events of one boundary only."""
    if event is JobRequested:
        return set()
    return set(CommitKind) - {CommitKind.RESULT}
