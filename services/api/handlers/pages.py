"""Pages of lists: how long one may be, and the cursor from which the next one goes on."""

import re

from domain.refusals import invalid

LIMIT, LIMIT_MAX = 50, 100
PLACE = r"[0-9]{1,18}"  # The cursor of a list of jobs, or of a job's commits.
ENTRY = r"[0-9]{1,18}\.[0-9]{1,9}"  # The cursor of a list of entries.


def check_limit(limit: int) -> None:
    if not 1 <= limit <= LIMIT_MAX:
        raise invalid("limit", f"must be from 1 to {LIMIT_MAX}")


def place_of(cursor: str | None) -> int | None:
    """Return after which place the page begins; None for the first page."""
    if cursor is None:
        return None
    _require(PLACE, cursor)
    return int(cursor)


def entry_of(cursor: str | None) -> tuple[int, int] | None:
    """Return the sequence and index after which the page begins; None for the first page."""
    if cursor is None:
        return None
    _require(ENTRY, cursor)
    sequence, _, index = cursor.partition(".")
    return int(sequence), int(index)


def _require(form: str, cursor: str) -> None:
    if re.fullmatch(form, cursor, re.ASCII) is None:
        raise invalid("cursor", "is not a cursor of this list")
