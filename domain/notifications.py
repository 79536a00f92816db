"""Notifications: what a customer can hear of, when to try again, and when to stop."""

from datetime import datetime, timedelta

from contracts.events import (
    Event,
    JobCancelled,
    JobCompleted,
    JobFailed,
    RunCancelled,
    RunCompleted,
    RunFailed,
)

TYPES: dict[type[Event], str] = {
    JobCompleted: "job.completed",
    JobFailed: "job.failed",
    JobCancelled: "job.cancelled",
    RunCompleted: "run.completed",
    RunFailed: "run.failed",
    RunCancelled: "run.cancelled",
}
# Pauses before the attempts after the first, as Svix has them.
PAUSES = tuple(
    timedelta(seconds=seconds) for seconds in (5, 300, 1800, 7200, 18_000, 36_000, 36_000)
)
DISABLE_AFTER = timedelta(days=5)  # In which every attempt failed.


def next_attempt_at(number: int, at: datetime, jitter: float) -> datetime | None:
    """Return when to try again after the attempt `number` (from 1); None to give up.

    `jitter` from 0 to 1 adds up to a tenth.
    """
    if number > len(PAUSES):
        return None
    return at + PAUSES[number - 1] * (1 + jitter / 10)


def disables(at: datetime, *, is_gone: bool, failing_since: datetime | None) -> bool:
    """Return whether a failure ends all deliveries to the endpoint, until its owner enables it
    again: the endpoint said that it is gone for good, or has failed for too long.
    """
    return is_gone or (failing_since is not None and at - failing_since > DISABLE_AFTER)
