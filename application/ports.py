"""The ports of command handlers, beside the log (`application/event_log.py`)."""

from typing import Protocol

from contracts.ids import AccountId
from domain.account import Account, NeededFacts


class NotThereYet(Exception):
    """The read models did not reach the position in time."""


class SnapshotReader(Protocol):
    """Reads an account's row and, in the same snapshot, the facts that a decision needs."""

    async def __call__(self, account: AccountId, needed: NeededFacts, /) -> Account: ...


class ReadModelPosition(Protocol):
    """How far the read models are."""

    async def wait_for(self, position: int, seconds: float = 2.0) -> None:
        """Return once the read models are at `position` or later; raise NotThereYet."""
        ...
