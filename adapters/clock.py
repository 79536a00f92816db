"""The clock and the dice: the only places where time and randomness come in."""

import os
from datetime import UTC, datetime

from contracts.ids import AccountId, CommitId, JobId, new_job_id


def now() -> datetime:
    return datetime.now(UTC)


def fresh_commit_id() -> CommitId:
    """96 random bits. Random on purpose: two writers must never share an id."""
    return CommitId(os.urandom(12).hex())


def fresh_job_id(account: AccountId) -> JobId:
    milliseconds = int(now().timestamp() * 1000)
    return new_job_id(account, milliseconds, int.from_bytes(os.urandom(8)))
