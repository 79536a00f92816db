"""Log lines of refused requests, so that a problem's `request_id` can be looked up: bounded, since
strangers decide how many there are. Theirs are counted apart and hide nobody else's.
"""

import time

import structlog

from domain.refusals import Refused

logger = structlog.get_logger()

LINES_A_SECOND = 10.0
LINES_AT_ONCE = 200.0
PATH_CHARACTERS_MAX = 200


class LineAllowance:
    """Allows so many lines a second, and as many at once as were saved up."""

    def __init__(self) -> None:
        self.left_out = 0  # Since the last line that was written.
        self._lines = LINES_AT_ONCE
        self._at = 0.0

    def take(self, now: float) -> bool:
        saved = self._lines + (now - self._at) * LINES_A_SECOND
        self._lines, self._at = min(saved, LINES_AT_ONCE), now
        if self._lines < 1:
            self.left_out += 1
            return False
        self._lines -= 1
        return True


_of_members, _of_strangers = LineAllowance(), LineAllowance()


def note_refusal(
    refused: Refused, request_id: str, method: str, path: str, account: str | None = None
) -> None:
    """Write one line about a refused request. `account` is whose token came with it, if one did."""
    allowance = _of_strangers if account is None else _of_members
    if not allowance.take(time.monotonic()):
        return
    left_out, allowance.left_out = allowance.left_out, 0
    logger.info(
        "request_refused",
        request_id=request_id,
        method=method,
        path=path[:PATH_CHARACTERS_MAX],
        code=refused.code,
        account=account,
        **({"fields": [each["field"] for each in refused.errors]} if refused.errors else {}),
        **({"lines_left_out": left_out} if left_out else {}),
    )
