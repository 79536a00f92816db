"""Lost replies: which of the requests that the provider lists are attempts without an answer."""

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
    """A request as the provider lists it: what it was asked, and when, by the provider's clock."""

    request_id: str
    arguments: Any
    sent_at: datetime


def match_lost_replies(
    unanswered: Sequence[UnansweredAttempt], unowned: Iterable[ListedRequest]
) -> dict[str, str]:
    """Return the request ids by the names of their attempts, where there is no doubt. `unowned` are
    the requests that no job is known to have.

    They are matched by what was sent. Attempts that sent the same cannot be distinguished, nor can
    such requests: they go on waiting for the webhook, which names its job, or for their time to
    be up.
    """
    candidates = list(unowned)
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
