"""Changes: how far the read models are, as the projector announces it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg

from adapters.database import DatabaseUnavailable
from application.ports import NotThereYet
from contracts import announcement
from contracts.announcement import Announcement
from contracts.subjects import CHANGES

logger = structlog.get_logger()

RECHECK_SECONDS = 0.25
LOST_AFTER_SECONDS = 1.0

PositionReader = Callable[[], Awaitable[int]]
Listener = Callable[[Announcement], None]


class Changes:
    """Announcements can be lost: whoever waits also looks at the position itself.

    `position` is the furthest that the read models were ever known to be; `rows_at` is where they
    are, which is less while they are made anew. What was answered from them once must not be taken
    back: readers wait for `needed`.
    """

    def __init__(self, read_position: PositionReader) -> None:
        self.position = 0
        self.rows_at = 0
        self._floor = 0
        self._read_position = read_position
        self._moved = asyncio.Event()
        self._listeners: list[Listener] = []
        self._watches: dict[str, set[asyncio.Event]] = {}
        self._told = 0  # Up to where those who watch were woken.
        self._rechecking: asyncio.Task[None] | None = None

    async def start(self, client: Client, floor: int = 0) -> None:
        """Listen; `floor` is a position that other processes may have answered from before."""
        self._floor = floor
        await client.subscribe(CHANGES, cb=self._receive)
        await self._look()

    @property
    def needed(self) -> int:
        """The position that rows must have reached for an answer to be made from them."""
        return max(self.position, self._floor)

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)

    @contextmanager
    def watch(self, row_ids: Iterable[str]) -> Iterator[asyncio.Event]:
        """Give an event that is set when one of these rows may have changed."""
        ids = tuple(row_ids)
        event = asyncio.Event()
        if not self._watches:
            self._told = self.rows_at  # Until here nobody had to be told.
        for row_id in ids:
            self._watches.setdefault(row_id, set()).add(event)
        if self._rechecking is None or self._rechecking.done():
            self._rechecking = asyncio.create_task(self._recheck())
        try:
            yield event
        finally:
            for row_id in ids:
                watching = self._watches[row_id]
                watching.discard(event)
                if not watching:
                    del self._watches[row_id]

    def advance(self, position: int) -> None:
        """Take notice that the read models are at `position`, and wake who waits for it."""
        has_moved = position != self.rows_at
        self.rows_at = position
        self.position = max(position, self.position)
        if has_moved:
            moved, self._moved = self._moved, asyncio.Event()
            moved.set()

    async def next_change(self, seconds: float) -> None:
        """Wait for the read models to move, at most so long."""
        moved = self._moved
        try:
            async with asyncio.timeout(seconds):
                await moved.wait()
        except TimeoutError:
            return

    async def wait_for(self, position: int, seconds: float = 2.0) -> None:
        """Return once the read models are at `position` or later; raise NotThereYet."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + seconds
        while self.rows_at < position:
            if (seconds_left := deadline - clock()) <= 0:
                raise NotThereYet(
                    f"the read models are at {self.rows_at}, {position} was asked for"
                )
            await self.next_change(min(seconds_left, RECHECK_SECONDS))
            if self.rows_at < position:
                await self._look()

    async def _look(self) -> None:
        try:
            self.advance(await self._read_position())
        except DatabaseUnavailable as error:
            logger.info("position_not_read", reason=repr(error))

    async def _receive(self, message: Msg) -> None:
        heard = announcement.decode(message.data)
        if heard.previous > self._told:
            self._wake(self._watches)  # An announcement was lost: anything may have changed.
        elif self._watches:
            self._wake(row.id for row in heard.rows)
        self._told = heard.position
        for listener in self._listeners:
            listener(heard)
        self.advance(heard.position)

    async def _recheck(self) -> None:
        """Look at the position for all that watch: an announcement may be lost. One that is just
        coming is waited for, as else every watch would be woken by it.
        """
        seen = self._told
        while self._watches:
            await asyncio.sleep(LOST_AFTER_SECONDS)
            if seen > self._told:
                self._told = seen
                self._wake(self._watches)
                self.advance(seen)
            try:
                seen = await self._read_position()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next look may do.
                logger.warning("position_not_read", reason=repr(error))

    def _wake(self, row_ids: Iterable[str]) -> None:
        for row_id in row_ids:
            for event in self._watches.get(row_id, ()):
                event.set()
