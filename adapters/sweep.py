"""A sweep: acts on rows that wait, side by side, within limits, each at its own pace."""

import asyncio
from collections import Counter as Tally
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Generic, TypeVar

import structlog
from msgspec import Struct
from prometheus_client import Counter

from application.clock import now
from application.event_log import LogUnavailable
from domain.times import micros_of
from domain.turns import Turn, WaitingRow

logger = structlog.get_logger()

TICK_SECONDS = 1.0
WAKE_SECONDS = 0.01
OTHERS_SECONDS = 5.0  # For so long a row that another process takes is not looked at again.
OTHERS_MAX = 5000
DEEPER_MAX = 16  # Looks in a row behind the rows of others.
REMEMBERED_MAX = 2000  # Rows that wait for their next try; with so many, no more are taken.
ACTS_FAILED = Counter("darkroom_sweep_failures_total", "Acts of a sweep that failed", ["sweep"])

Row = TypeVar("Row", bound=WaitingRow)
Take = Callable[[Turn], Awaitable[list[Row]]]


class Pace(Struct, frozen=True):
    """How many acts at once, in all and for one lane; how long one may take; how long a row that
    is still there waits for the next, doubling from `pause_seconds` to its maximum; and how long
    a row has to be due before anybody looks at it.
    """

    at_once: int
    at_once_of_lane: int
    act_seconds: float
    pause_seconds: float
    pause_seconds_max: float
    patience_seconds: float = 0.0


class _Later(Struct):
    not_before: float
    tries: int


class Sweep(Generic[Row]):
    """Takes rows and acts on them, for ever. No act waits for another.

    What an act does goes through a guard of the log, so that two processes which take the same row
    are harmless; what it does to the outside world (asking, cancelling) is harmless to repeat.
    """

    def __init__(
        self,
        name: str,
        pace: Pace,
        take: Take[Row],
        act: Callable[[Row], Awaitable[None]],
        wake: asyncio.Event | None = None,
    ) -> None:
        self._name, self._pace = name, pace
        self._take, self._act = take, act
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._lanes: Tally[str] = Tally()
        self._later: dict[str, _Later] = {}
        self._others: dict[str, float] = {}
        self._deeper = 0
        self._changed: set[str] = set()  # Rows under way that have changed meanwhile.
        self._after = ""
        self._is_hungry = False  # The last look may have left something for want of room.
        self.wake = wake or asyncio.Event()

    async def run(self) -> None:
        """Sweep for ever. A look that fails ends this, but none of the acts under way; a shutdown
        ends them too.
        """
        try:
            while True:
                self.wake.clear()
                more = await self.once()
                if not more:
                    await self._rest()
        except asyncio.CancelledError:
            for task in self._under_way.values():
                task.cancel()
            await asyncio.gather(*self._under_way.values(), return_exceptions=True)
            raise

    async def once(self) -> bool:
        """Begin what can be begun now; tell whether there is probably more to take at once."""
        later = self._waiting()
        free = min(self._pace.at_once - len(self._under_way), REMEMBERED_MAX - len(later))
        self._is_hungry = free < 1
        if free < 1:
            return False
        turn = Turn(
            until=micros_of(now() - timedelta(seconds=self._pace.patience_seconds)),
            limit=free,
            after=self._after,
            skip={*self._under_way, *later, *self._of_others()},
            full=[lane for lane, n in self._lanes.items() if n >= self._pace.at_once_of_lane],
        )
        rows = await self._take(turn)
        self._after = turn.after
        are_new = not self._others.keys() >= set(turn.others)
        until = asyncio.get_running_loop().time() + OTHERS_SECONDS
        self._others |= dict.fromkeys(turn.others, until)
        begun = sum(self._begin(row) for row in rows)
        self._is_hungry = len(rows) >= free or bool(turn.full) or begun < len(rows)
        goes_deeper = turn.hides_more and are_new and len(self._others) <= OTHERS_MAX
        self._deeper = self._deeper + 1 if goes_deeper and self._deeper < DEEPER_MAX else 0
        return self._deeper > 0 or (begun > 0 and len(rows) >= free)

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(TICK_SECONDS):
                await self.wake.wait()
            await asyncio.sleep(WAKE_SECONDS)  # Those that come at the same time are one look.
        except TimeoutError:
            return

    def _waiting(self) -> list[str]:
        """Return the rows that have to wait for their next try; forget those that are long gone."""
        clock = asyncio.get_running_loop().time()
        kept = clock - self._pace.pause_seconds_max
        self._later = {key: at for key, at in self._later.items() if at.not_before > kept}
        return [key for key, at in self._later.items() if at.not_before > clock]

    def _of_others(self) -> list[str]:
        """Return the rows that another process takes: seen lately, and not too many to name."""
        clock = asyncio.get_running_loop().time()
        if len(self._others) > OTHERS_MAX:
            self._others.clear()
        self._others = {key: at for key, at in self._others.items() if at > clock}
        return list(self._others)

    def changed(self, key: str) -> None:
        """A row is not what it was: it need not wait for its next try."""
        if key in self._under_way:
            self._changed.add(key)
        self._later.pop(key, None)
        self.wake.set()

    async def settled(self) -> None:
        """Wait until nothing that was begun is under way."""
        while self._under_way:
            await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    def _begin(self, row: Row) -> bool:
        key, lane = row.key, row.lane
        if key in self._under_way or self._lanes[lane] >= self._pace.at_once_of_lane:
            return False
        self._lanes[lane] += 1
        self._under_way[key] = asyncio.create_task(self._bounded(row, key, lane))
        return True

    async def _bounded(self, row: Row, key: str, lane: str) -> None:
        try:
            async with asyncio.timeout(self._pace.act_seconds):
                await self._act(row)
        except Exception as error:  # noqa: BLE001 - the row stays, and is tried again later.
            ACTS_FAILED.labels(self._name).inc()
            expected = isinstance(error, LogUnavailable | TimeoutError)
            log = logger.info if expected else logger.warning
            log("act_failed", sweep=self._name, row=key, reason=repr(error)[:300])
        finally:
            self._ended(key, lane)

    def _ended(self, key: str, lane: str) -> None:
        del self._under_way[key]
        self._lanes[lane] -= 1
        if not self._lanes[lane]:
            del self._lanes[lane]
        if key in self._changed:
            self._changed.discard(key)
            self.wake.set()
            return
        known = self._later.get(key)
        tries = known.tries + 1 if known is not None else 0
        pause = min(self._pace.pause_seconds * 2 ** min(tries, 16), self._pace.pause_seconds_max)
        self._later[key] = _Later(asyncio.get_running_loop().time() + pause, tries)
        if self._is_hungry:
            self.wake.set()
