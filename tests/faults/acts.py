"""Acts on the outside world that must not be done twice: telling a customer, cancelling."""

import asyncio
from collections import defaultdict

from msgspec import Struct

from adapters.fresh_rows import FRESH_SECONDS
from contracts.commit import Commit
from contracts.events import CancellationAnswered, NotificationSent
from tests.faults.processes import Process

LOOK_SECONDS = FRESH_SECONDS  # So old may be the log's end that a look was compared with.
RECORDED_SECONDS = 20.0  # A slow server, its record, and what passes after the services end.


class Act(Struct):
    """Done by one life, and answered. `failed`: the log did not take its record."""

    life: Process
    at: float
    stored_at: float | None = None
    failed: bool = False

    @property
    def stored(self) -> bool:
        return self.stored_at is not None


class Acts:
    """Whoever did something has to record it, unless it dies or the log does not take the record.
    What is recorded is never done again.
    """

    def __init__(self) -> None:
        self.broken: list[str] = []
        self.excused = self.done = 0
        self._answered: dict[str, list[Act]] = defaultdict(list)

    def begins(self, key: str) -> None:
        looked_at = asyncio.get_running_loop().time() - LOOK_SECONDS
        stored = [at for act in self._answered[key] if (at := act.stored_at) is not None]
        if any(at < looked_at for at in stored):
            self.broken.append(f"{key}: done again although that it was done stood in the log")

    def answered(self, key: str, life: Process) -> None:
        self._answered[key].append(Act(life, asyncio.get_running_loop().time()))

    def recorded_by(self, commit: Commit, life: Process) -> list[Act]:
        """Return the acts of this life that the commit is the record of, if it is stored."""
        keys = {_key_of(event) for event in commit.events}
        found = [self._answered[key] for key in keys if key in self._answered]
        own = [act for acts in found for act in acts if act.life is life]
        return [act for act in own if not (act.stored or act.failed)]

    def check(self) -> None:
        """What was done just before the end could not be recorded any more."""
        ended_at = asyncio.get_running_loop().time() - RECORDED_SECONDS
        assert not self.broken, self.broken
        for key, acts in self._answered.items():
            lost = [act for act in acts if not act.stored]
            lasting = [act for act in lost if act.at < ended_at]
            bad = [act for act in lasting if not (act.failed or act.life.crashed)]
            assert not bad, f"{key}: done by {bad[0].life.name} and not recorded"
            assert not key.startswith("told") or len(acts) <= 1 + len(lost), f"{key}: done twice"
            self.excused += len(lost)
            self.done += len(acts)


def told(delivery_id: str) -> str:
    return f"told {delivery_id}"


def cancelled(request_id: str) -> str:
    return f"cancelled {request_id}"


def _key_of(event: object) -> str:
    match event:
        case NotificationSent(delivery_id=delivery_id):
            return told(delivery_id)
        case CancellationAnswered(request_id=request_id):
            return cancelled(request_id)
    return ""
