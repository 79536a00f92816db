"""The clock and the dice: the time of commits and the randomness of ids, which a simulation
replaces.
"""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from contracts.ids import CommitId, JobId, new_job_id

_MACHINE: Callable[[], datetime] = partial(datetime.now, UTC)
_source = _MACHINE
_entropy: Callable[[int], bytes] = os.urandom


def now() -> datetime:
    return _source()


def use(
    source: Callable[[], datetime] = _MACHINE, entropy: Callable[[int], bytes] = os.urandom
) -> None:
    """Take time and randomness from a simulation; without arguments from the machine again."""
    global _source, _entropy
    _source, _entropy = source, entropy


def fresh_commit_id() -> CommitId:
    """96 random bits. Random on purpose: two writers must never share an id."""
    return CommitId(_entropy(12).hex())


def fresh_job_id() -> JobId:
    return new_job_id(int(now().timestamp() * 1000), int.from_bytes(_entropy(10)))
