"""A sweep: acts on rows that wait, many at once within limits, and tries each again later."""

import asyncio
from collections import Counter as Tally
from collections.abc import Awaitable, Callable
from contextlib import suppress
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
OTHERS_SECONDS = 5.0  # For so long a query skips a row that another process takes.
OTHERS_MAX = 5000
QUERIES_BEHIND_OTHERS_MAX = 16  # In a row, without a rest.
WAITING_FOR_RETRY_MAX = 2000  # With so many rows waiting, no more are taken.
ACTS_FAILED = Counter("darkroom_sweep_failures_total", "Acts of a sweep that failed", ["sweep"])

Row = TypeVar("Row", bound=WaitingRow)
Take = Callable[[Turn], Awaitable[list[Row]]]
Act = Callable[[Row], Awaitable[None]]


class Pace(Struct, frozen=True):
    """How many acts run at once, in all and for one lane; how long one may take; how long a row
    that is still there waits for its next try (from `pause_seconds`, doubled up to its maximum);
    and how long a row has to be due before it is taken.
    """

    at_once: int
    at_once_of_lane: int
    act_seconds: float
    pause_seconds: float
    pause_seconds_max: float
    patience_seconds: float = 0.0


class _Retry(Struct):
    not_before: float
    tries: int


class Sweep(Generic[Row]):
    """Takes rows and acts on them, for ever. No act waits for another. Two processes may take the
    same row without harm: what an act writes is guarded by the log, and what it does to the outside
    world (asking, cancelling) can be repeated.
    """

    def __init__(
        self,
        name: str,
        pace: Pace,
        take: Take[Row],
        act: Act[Row],
        wake: asyncio.Event | None = None,
    ) -> None:
        self._name, self._pace = name, pace
        self._take, self._act = take, act
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._lanes: Tally[str] = Tally()  # Acts under way by lane.
        self._waiting_for_retry: dict[str, _Retry] = {}
        self._taken_by_others: dict[str, float] = {}  # Until when a row is skipped.
        self._queries_behind_others = 0
        self._changed_under_way: set[str] = set()
        self._after = ""
        self._may_have_left_rows = False  # The last query was limited by what is under way.
        self.wake = wake or asyncio.Event()

    async def run(self) -> None:
        """Sweep for ever. A failed query leaves acts under way alone; a shutdown cancels them."""
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
        """Begin the acts that can begin now; tell whether there are probably more rows to take."""
        retries = self._retries_not_due()
        free = min(self._pace.at_once - len(self._under_way), WAITING_FOR_RETRY_MAX - len(retries))
        self._may_have_left_rows = free < 1
        if free < 1:
            return False
        turn = Turn(
            until=micros_of(now() - timedelta(seconds=self._pace.patience_seconds)),
            limit=free,
            after=self._after,
            skip={*self._under_way, *retries, *self._rows_of_others()},
            full=[lane for lane, n in self._lanes.items() if n >= self._pace.at_once_of_lane],
        )
        rows = await self._take(turn)
        self._after = turn.after
        begun = sum(self._begin(row) for row in rows)
        self._may_have_left_rows = len(rows) >= free or bool(turn.full) or begun < len(rows)
        return self._goes_on_behind_others(turn) or (begun > 0 and len(rows) >= free)

    async def _rest(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(TICK_SECONDS):
                await self.wake.wait()
            await asyncio.sleep(WAKE_SECONDS)  # One query takes all rows that change together.

    def _retries_not_due(self) -> list[str]:
        """Return the rows that wait for their next try; forget those that are long gone."""
        clock = asyncio.get_running_loop().time()
        kept, waiting = clock - self._pace.pause_seconds_max, self._waiting_for_retry
        waiting = {key: retry for key, retry in waiting.items() if retry.not_before > kept}
        self._waiting_for_retry = waiting
        return [key for key, retry in waiting.items() if retry.not_before > clock]

    def _rows_of_others(self) -> list[str]:
        """Return the rows of other processes; forget them when they are too many for a query."""
        clock = asyncio.get_running_loop().time()
        if len(self._taken_by_others) > OTHERS_MAX:
            self._taken_by_others.clear()
        others = self._taken_by_others
        self._taken_by_others = {key: until for key, until in others.items() if until > clock}
        return list(self._taken_by_others)

    def _goes_on_behind_others(self, turn: Turn) -> bool:
        """Note the rows of other processes; tell whether to query again at once, without them."""
        are_new = not self._taken_by_others.keys() >= set(turn.taken_by_others)
        until = asyncio.get_running_loop().time() + OTHERS_SECONDS
        self._taken_by_others |= dict.fromkeys(turn.taken_by_others, until)
        goes_on = turn.more_behind_others and are_new and len(self._taken_by_others) <= OTHERS_MAX
        goes_on &= self._queries_behind_others < QUERIES_BEHIND_OTHERS_MAX
        self._queries_behind_others = self._queries_behind_others + 1 if goes_on else 0
        return goes_on

    def changed(self, key: str) -> None:
        """Note that a row has changed: it need not wait for its next try."""
        if key in self._under_way:
            self._changed_under_way.add(key)
        self._waiting_for_retry.pop(key, None)
        self.wake.set()

    async def until_idle(self) -> None:
        """Wait until no act is under way."""
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
        if key in self._changed_under_way:
            self._changed_under_way.discard(key)
            self.wake.set()
            return
        earlier = self._waiting_for_retry.get(key)
        tries = earlier.tries + 1 if earlier is not None else 0
        pause = min(self._pace.pause_seconds * 2 ** min(tries, 16), self._pace.pause_seconds_max)
        self._waiting_for_retry[key] = _Retry(asyncio.get_running_loop().time() + pause, tries)
        if self._may_have_left_rows:
            self.wake.set()
