"""The breaker: when the provider is in trouble, jobs wait instead of failing.

While it is open, nothing is submitted. After its pause one submission at a time tries whether the
trouble is over; each try that fails makes the pause longer.
"""

from msgspec import Struct

PAUSE_SECONDS, PAUSE_SECONDS_MAX = 10.0, 60.0
TROUBLES_MAX = 5


class BreakerState(Struct, frozen=True):
    """`clock` and `open_until` are seconds of one clock, whichever the caller has."""

    alarm: str = ""  # For operators, with the provider's words; empty when all is well.
    open_until: float = 0.0
    troubles: int = 0  # Submissions in a row that the provider could not take, or left unanswered.
    pause_seconds: float = PAUSE_SECONDS

    def after_refusal(self, words: str, clock: float) -> "BreakerState":
        """The provider refuses the operator's account: no submission can succeed."""
        return self._opened(f"the provider refuses the operator's account: {words}", clock)

    def after_trouble(self, words: str, clock: float) -> "BreakerState":
        """The provider could not be reached, is broken, or took a POST and said nothing. Only
        several times in a row is that more than the trouble of one submission.
        """
        troubles = self.troubles + 1
        if troubles < TROUBLES_MAX:
            return BreakerState(self.alarm, self.open_until, troubles, self.pause_seconds)
        return self._opened(f"the provider is in trouble: {words}", clock, troubles)

    def is_open(self, clock: float) -> bool:
        return bool(self.alarm) and clock < self.open_until

    def limit(self, free_slots: int, under_way: int, clock: float) -> int:
        """Return how many of the free slots may be used: none, one to try, or all of them. A
        submission that is under way is a try already.
        """
        if not self.alarm:
            return free_slots
        return min(free_slots, 0 if self.is_open(clock) or under_way else 1)

    def _opened(self, alarm: str, clock: float, troubles: int | None = None) -> "BreakerState":
        pause_seconds = self.pause_seconds
        if self.alarm and clock >= self.open_until:
            pause_seconds = min(pause_seconds * 2, PAUSE_SECONDS_MAX)
        troubles = self.troubles if troubles is None else troubles
        return BreakerState(alarm, clock + pause_seconds, troubles, pause_seconds)
