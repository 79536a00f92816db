"""Changes: how far the read models are, as the projector announces it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

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
    """Knows the position of the read models. Announcements can be lost, so those that wait for a
    position also read it from the database. `position` is the highest one ever known; `rows_at` the
    present one, lower during a rebuild. No answer may be older than one before: readers wait for
    `needed`.
    """

    def __init__(self, read_position: PositionReader) -> None:
        self.position = 0
        self.rows_at = 0
        self._floor = 0
        self._read_position = read_position
        self._moved = asyncio.Event()
        self._listeners: list[Listener] = []
        self._watches: dict[str, set[asyncio.Event]] = {}
        self._woken_up_to = 0  # Up to this position all watches were woken for their changes.
        self._rechecking: asyncio.Task[None] | None = None

    async def start(self, client: Client, floor: int = 0) -> None:
        """Subscribe; `floor` is a position that other processes may have answered from."""
        self._floor = floor
        await client.subscribe(CHANGES, cb=self._receive)
        await self._look()

    @property
    def needed(self) -> int:
        """The position that the rows must have reached before a reader is answered."""
        return max(self.position, self._floor)

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)

    @contextmanager
    def watch(self, row_ids: Iterable[str]) -> Iterator[asyncio.Event]:
        """Give an event that is set when one of these rows may have changed."""
        ids = tuple(row_ids)
        event = asyncio.Event()
        if not self._watches:
            self._woken_up_to = self.rows_at  # Nobody watched the changes before it.
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
        """Note that the read models are at `position`, and wake those that wait for it."""
        has_moved = position != self.rows_at
        self.rows_at = position
        self.position = max(position, self.position)
        if has_moved:
            moved, self._moved = self._moved, asyncio.Event()
            moved.set()

    async def next_change(self, seconds: float) -> None:
        """Wait for the read models to move, at most so long."""
        moved = self._moved
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await moved.wait()

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
        if heard.previous > self._woken_up_to:
            self._wake(self._watches)  # An announcement was lost: anything may have changed.
        elif self._watches:
            self._wake(row.id for row in heard.rows)
        self._woken_up_to = heard.position
        for listener in self._listeners:
            listener(heard)
        self.advance(heard.position)

    async def _recheck(self) -> None:
        """Read the position for all watches, since an announcement may be lost: when it is still
        missing a second after the position was read, every watch is woken.
        """
        read_at = self._woken_up_to
        while self._watches:
            await asyncio.sleep(LOST_AFTER_SECONDS)
            if read_at > self._woken_up_to:
                self._woken_up_to = read_at
                self._wake(self._watches)
                self.advance(read_at)
            try:
                read_at = await self._read_position()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is read again.
                logger.warning("position_not_read", reason=repr(error))

    def _wake(self, row_ids: Iterable[str]) -> None:
        for row_id in row_ids:
            for event in self._watches.get(row_id, ()):
                event.set()
