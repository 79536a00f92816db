"""Notifications: what a customer can be told, under which signature, and when to try again."""

import hashlib
import hmac
from base64 import b64decode, b64encode
from datetime import datetime, timedelta

from contracts.events import Event, JobCompleted, JobFailed, RunCompleted, RunFailed

TYPES: dict[type[Event], str] = {
    JobCompleted: "job.completed",
    JobFailed: "job.failed",
    RunCompleted: "run.completed",
    RunFailed: "run.failed",
}
# Pauses before the attempts after the first, as Svix has them.
PAUSES = tuple(
    timedelta(seconds=seconds) for seconds in (5, 300, 1800, 7200, 18_000, 36_000, 36_000)
)
DISABLE_AFTER = timedelta(days=5)  # Of nothing but failures.
GONE = 410  # Standard Webhooks: the endpoint wants nothing any more.
SECRET_PREFIX = "whsec_"  # noqa: S105 - the form of a secret, none itself.
SECRET_BYTES = 24


def next_attempt_at(number: int, at: datetime, jitter: float) -> datetime | None:
    """Say when to try again after the attempt `number` (from 1); None to give up.

    `jitter` from 0 to 1 adds up to a tenth.
    """
    if number > len(PAUSES):
        return None
    return at + PAUSES[number - 1] * (1 + jitter / 10)


def disables(status: int | None, failing_since: datetime | None, at: datetime) -> bool:
    """Is the endpoint to be told nothing any more, until its owner enables it again?"""
    return status == GONE or (failing_since is not None and at - failing_since > DISABLE_AFTER)


def secret_of(entropy: bytes) -> str:
    return SECRET_PREFIX + b64encode(entropy).decode()


def signature(secrets: list[str], message_id: str, unix_seconds: int, body: bytes) -> str:
    """Sign as Standard Webhooks says, under each secret that holds, separated by spaces."""
    signed = f"{message_id}.{unix_seconds}.".encode() + body
    return " ".join(f"v1,{_sign(secret, signed)}" for secret in secrets)


def _sign(secret: str, signed: bytes) -> str:
    key = b64decode(secret.removeprefix(SECRET_PREFIX))
    return b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
