"""The witness: which of the provider's listed requests are attempts whose reply was lost."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

CLOCKS_APART_MAX = timedelta(minutes=5)  # The provider's clock and ours.


class Unanswered(Struct, frozen=True):
    """An attempt whose POST was never answered: its name, what it sent, and when."""

    attempt: str
    arguments: Any
    sent_at: datetime


class Seen(Struct, frozen=True):
    """A request that the provider lists, and that no job of ours is known to own."""

    request_id: str
    arguments: Any
    sent_at: datetime


def owners(unanswered: Sequence[Unanswered], seen: Iterable[Seen]) -> dict[str, str]:
    """Tell which request belongs to which attempt, where there is no doubt.

    They are matched by what was sent. Attempts that sent the same can be told apart only when
    all of them are listed, and then any pairing is right; otherwise they go on waiting.
    """
    found: dict[str, str] = {}
    candidates = list(seen)
    groups: list[list[Unanswered]] = []
    for attempt in sorted(unanswered, key=lambda each: each.sent_at):
        group = next((each for each in groups if each[0].arguments == attempt.arguments), None)
        if group is None:
            groups.append([attempt])
        else:
            group.append(attempt)
    for group in groups:
        earliest = group[0].sent_at - CLOCKS_APART_MAX
        alike = [
            each
            for each in candidates
            if each.arguments == group[0].arguments and each.sent_at >= earliest
        ]
        if len(alike) == len(group):
            alike.sort(key=lambda each: each.sent_at)
            found |= {
                attempt.attempt: request.request_id
                for attempt, request in zip(group, alike, strict=True)
            }
    return found
