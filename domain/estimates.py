"""Estimates: how long a job may still take, from how long others took, and how far it is."""

from math import log

from msgspec import Struct, structs

FIRST_MICROS = 50_000
GROWTH = 1.1  # From one bucket to the next: an estimate is off by a tenth at most.
COUNT_MIN = 10  # With fewer durations there is no estimate.
COUNT_MAX = 1000  # At so many durations all weights are halved: newer ones count more.
BAR_MAX = 95  # Percent: an open job never shows 100.
BAR_AT_P50 = 60
UNKNOWN_SECONDS = 60.0  # Assumed for the progress, while there is no history.


class Durations(Struct, frozen=True, omit_defaults=True):
    """A histogram of durations: bucket -> how many. Bucket n ends at 50 ms * 1.1^n."""

    buckets: dict[int, float] = {}
    count: int = 0

    def with_one(self, micros: int) -> "Durations":
        bucket = max(0, round(log(max(micros, FIRST_MICROS) / FIRST_MICROS, GROWTH)))
        buckets, count = self.buckets, self.count
        if count >= COUNT_MAX:
            buckets = {each: weight / 2 for each, weight in buckets.items() if weight >= 1}
            count //= 2
        grown = {**buckets, bucket: buckets.get(bucket, 0) + 1}
        return structs.replace(self, buckets=grown, count=count + 1)

    def quantile(self, share: float) -> int | None:
        """Return the duration that this share did not exceed, in microseconds; None when there
        is too little history to say.
        """
        if self.count < COUNT_MIN:
            return None
        wanted = sum(self.buckets.values()) * share
        for bucket in sorted(self.buckets):
            wanted -= self.buckets[bucket]
            if wanted <= 0:
                return round(FIRST_MICROS * GROWTH**bucket)
        return None


class Expectation(Struct, frozen=True):
    """What a job could expect when it was started, in microseconds, None when nobody knew."""

    p50: int | None = None
    p90: int | None = None


def eta_seconds(expected: Expectation, elapsed_micros: int) -> int | None:
    """Return how long it will probably still take; None when nobody can say."""
    for quantile in (expected.p50, expected.p90):
        if quantile is not None and elapsed_micros < quantile:
            return -(-(quantile - elapsed_micros) // 1_000_000)
    return None


def progress(expected: Expectation, elapsed_micros: int) -> int:
    """Return how far the bar is, 0 to 95: never backwards in time, never past 95."""
    p50 = expected.p50 or int(UNKNOWN_SECONDS * 500_000)
    p90 = max(expected.p90 or int(UNKNOWN_SECONDS * 1_000_000), p50 + 1)
    if elapsed_micros <= p50:
        return max(0, elapsed_micros * BAR_AT_P50 // p50)
    rest = (elapsed_micros - p50) * (BAR_MAX - BAR_AT_P50) // (p90 - p50)
    return min(BAR_MAX, BAR_AT_P50 + rest)
