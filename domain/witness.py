"""The witness: which of the provider's listed requests are attempts whose reply was lost."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from contracts.ids import JobId

CLOCKS_APART_MAX = timedelta(minutes=5)  # The provider's clock and ours.


class Unanswered(Struct, frozen=True):
    """An attempt whose POST was never answered: what it sent, and when."""

    job_id: JobId
    arguments: Any
    sent_at: datetime


class Seen(Struct, frozen=True):
    """A request that the provider lists, and that no job of ours is known to own."""

    request_id: str
    arguments: Any
    sent_at: datetime


def owners(unanswered: Sequence[Unanswered], seen: Iterable[Seen]) -> dict[JobId, str]:
    """Tell which request belongs to which job, where there is no doubt.

    They are matched by what was sent. Attempts that sent the same can be told apart only when
    all of them are listed, and then any pairing is right; otherwise they go on waiting.
    """
    found: dict[JobId, str] = {}
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
                attempt.job_id: request.request_id
                for attempt, request in zip(group, alike, strict=True)
            }
    return found
