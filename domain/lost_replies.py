"""The witness: which of the provider's listed requests are attempts whose reply was lost."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

CLOCKS_APART_MAX = timedelta(minutes=5)  # The provider's clock and ours.


class UnansweredAttempt(Struct, frozen=True):
    """An attempt whose POST was never answered: its name, what it sent, and when."""

    attempt: str
    arguments: Any
    sent_at: datetime


class ListedRequest(Struct, frozen=True):
    """A request that the provider lists, and that no job of ours is known to own."""

    request_id: str
    arguments: Any
    sent_at: datetime


def match_lost_replies(
    unanswered: Sequence[UnansweredAttempt], seen: Iterable[ListedRequest]
) -> dict[str, str]:
    """Tell which request belongs to which attempt, where there is no doubt.

    They are matched by what was sent. Attempts that sent the same cannot be told apart, nor can
    requests: they go on waiting for the webhook, which names its job, or for time.
    """
    candidates = list(seen)
    found: dict[str, str] = {}
    for attempt in unanswered:
        twins = [each for each in unanswered if each.arguments == attempt.arguments]
        earliest = attempt.sent_at - CLOCKS_APART_MAX
        alike = [
            each
            for each in candidates
            if each.arguments == attempt.arguments and each.sent_at >= earliest
        ]
        if len(twins) == len(alike) == 1:
            found[attempt.attempt] = alike[0].request_id
    return found
