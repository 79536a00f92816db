"""When to try again: policies that return values and act on nothing."""

from datetime import datetime, timedelta

from msgspec import Struct

from contracts.job_state import JobState, Outcome

FIRST_SECONDS = 0.5
RETRY_AFTER_SECONDS_MAX = 60.0


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
    """May the job be posted again after an attempt whose outcome nobody could tell?"""
    unknown = 1 + job.count_of(Outcome.UNKNOWN)
    return RetryDecision(None if unknown >= attempts_max or at >= job.deadline_at else at)
