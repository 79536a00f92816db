"""When a submission is tried again, and when somebody asks what became of it.

These policies return values and act on nothing. Durations are in seconds.
"""

from datetime import datetime, timedelta

from msgspec import Struct

from contracts.job_state import JobState, Outcome

FIRST_SECONDS = 0.5
RETRY_AFTER_SECONDS_MAX = 60.0
BUSY_SECONDS_MAX = 60.0
LATE_SECONDS = 5.0
ASK_AFTER_SECONDS = 45.0  # A POST takes at most 35 s: younger ones may still be answered.
ASK_EVERY_SECONDS = 15.0  # A provider's listing is not to be asked more often.
# If the POST of an ended job is not answered for so long, there is nothing to cancel.
REPLY_SECONDS_MAX = 3600.0


class RetryDecision(Struct, frozen=True):
    """Wait until `not_before`, or give up when it is None."""

    not_before: datetime | None


def after_refusal(
    job: JobState,
    *,
    at: datetime,
    retry_after_seconds: float | None,
    jitter: float,
    seconds_max: float,
    earlier: int = 0,
) -> RetryDecision:
    """Back off after a submission that the provider did not take; `earlier` are refusals of the
    same attempt, which stand in no commit.

    Doubles from 0.5 s to `seconds_max`; `jitter` from 0 to 1 takes up to half of it away. The
    provider's own Retry-After is obeyed up to 60 s. Refusals end with the job's deadline only.
    """
    refusals = job.count_of(Outcome.REFUSED) + earlier
    seconds = min(FIRST_SECONDS * 2 ** min(refusals, 16), seconds_max) * (1 - jitter / 2)
    if retry_after_seconds is not None:
        seconds = max(seconds, min(retry_after_seconds, RETRY_AFTER_SECONDS_MAX))
    not_before = at + timedelta(seconds=seconds)
    return RetryDecision(None if not_before >= job.deadline_at else not_before)


def after_unknown(job: JobState, *, at: datetime, attempts_max: int) -> RetryDecision:
    """Decide whether the job may be posted again after an attempt with an unknown outcome."""
    unknown = 1 + job.count_of(Outcome.UNKNOWN)
    return RetryDecision(None if unknown >= attempts_max or at >= job.deadline_at else at)


def is_late(requested_at: datetime, at: datetime) -> bool:
    """Tell whether a job is so old that a sweep takes its message for lost."""
    return at - requested_at > timedelta(seconds=LATE_SECONDS)


def busy_seconds(unknown_seconds: float) -> float:
    """Return how long one attempt goes on asking a provider that is busy: well below the time
    after which the attempt's outcome counts as unknown.
    """
    return min(BUSY_SECONDS_MAX, unknown_seconds / 2)


def ask_after_seconds(unknown_seconds: float) -> float:
    """Return how old an unanswered attempt is when the provider's listing is asked for it: there
    has to be time for an answer before the outcome counts as unknown.
    """
    return min(ASK_AFTER_SECONDS, unknown_seconds / 3)


def ask_every_seconds(unknown_seconds: float) -> float:
    return min(ASK_EVERY_SECONDS, ask_after_seconds(unknown_seconds))
