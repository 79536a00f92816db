"""Ids: what may name an account, a job or a commit, and how a new id is made."""

import re
from typing import NewType

AccountId = NewType("AccountId", str)
JobId = NewType("JobId", str)
RunId = NewType("RunId", str)
EndpointId = NewType("EndpointId", str)
CommitId = NewType("CommitId", str)
TokenId = NewType("TokenId", str)

_ALLOWED = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.ASCII)


class BadId(ValueError):
    """The text cannot be an id: it would reach into another subject of the log."""


def checked(text: str) -> str:
    """Return `text` when it is an id; raise BadId otherwise.

    An id becomes one token of a broker subject. With a dot in it, it would read and write the
    history of another boundary; a space or a wildcard would disable the guard of appends.
    """
    if _ALLOWED.fullmatch(text) is None:
        raise BadId(f"not an id: {text[:80]}")
    return text


def account_id(text: str) -> AccountId:
    return AccountId(checked(text))


def job_id(text: str) -> JobId:
    """Return a job's id; raise BadId for anything but a lower-case UUIDv7."""
    if _UUID.fullmatch(text) is None:
        raise BadId(f"not a job id: {text[:80]}")
    return JobId(text)


def run_id(text: str) -> RunId:
    """Return a run's id; raise BadId. Run ids are made as job ids are."""
    return RunId(job_id(text))


def new_job_id(unix_milliseconds: int, entropy: int) -> JobId:
    """Make a UUIDv7. `entropy` gives the 74 random bits; more are ignored."""
    high = (unix_milliseconds & (1 << 48) - 1) << 16 | 0x7000 | entropy >> 62 & 0xFFF
    low = 0b10 << 62 | entropy & (1 << 62) - 1
    digits = f"{high:016x}{low:016x}"
    return JobId(f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}")
