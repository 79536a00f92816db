"""Streams: one look at the rows for each change, for all of an account's connected clients.

A channel knows up to which position its readers were told. When the projector announces a change,
or that an announcement was lost, it reads the rows that changed since, in one snapshot, and gives
each reader the same frames. A reader that comes with a cursor reads for itself what it missed.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from weakref import WeakSet

import structlog

from adapters.database import DatabaseUnavailable
from contracts.announcement import Announcement
from contracts.cursor import Cursor
from contracts.ids import AccountId, JobId
from domain.refusals import Refused
from read_models.jobs import Job
from services.api.dependencies import Api
from services.api.documents import progress_of
from services.api.frames import (
    ALL_OF_COMMIT,
    PROGRESS_FROM,
    Frame,
    frames_of,
    is_after,
    job_frame,
    read_snapshot,
    resync_frame,
)
from services.api.handlers.callers import Caller, ConnectedCaller

logger = structlog.get_logger()

PING_SECONDS = 15.0
TICK_SECONDS = 2.0  # How often the bars of a followed account move.
LOOK_SECONDS = 15.0  # How long a lost announcement is not missed while all is quiet.
RETRY_SECONDS = 0.5
QUEUED_BYTES_MAX = 256 * 1024
READERS_OF_ACCOUNT_MAX = 2000
CATCHING_UP = "catching up"  # Few at a time: who takes no frame makes its own account wait.


class Reader(ConnectedCaller):
    """One connected client. Frames wait up to a limit in bytes; a client that is slower than that
    gets a resync instead of what it missed.
    """

    def __init__(self, caller: Caller, after: Cursor | None, job: JobId | None) -> None:
        self.wake = asyncio.Event()
        super().__init__(caller, self.wake.set)
        self.after = after
        self.job = job
        self.floor = 0  # What stands at or below it was told already.
        self.wants_resync = False
        self._queue: deque[Frame] = deque()
        self._bytes = 0

    def push(self, frame: Frame) -> None:
        if self.job is not None and frame.job_id != self.job:
            return
        self._queue.append(frame)
        self._bytes += len(frame.body)
        if self._bytes > QUEUED_BYTES_MAX:
            self.lag()
        self.wake.set()

    def lag(self) -> None:
        self._queue.clear()
        self._bytes = 0
        self.wants_resync = True
        self.wake.set()

    def pop(self) -> Frame | None:
        while self._queue:
            frame = self._queue.popleft()
            self._bytes -= len(frame.body)
            is_bar = frame.change >= PROGRESS_FROM
            if frame.sequence > self.floor or (is_bar and frame.sequence == self.floor):
                return frame
        return None


class Channel:
    """An account's readers, and the position up to which they were told."""

    def __init__(self, api: Api, account: AccountId) -> None:
        self.account = account
        self.readers: WeakSet[Reader] = WeakSet()  # One may go without a word.
        self.wake = asyncio.Event()
        self.started = asyncio.Event()
        self.position = -1
        self._api = api
        self._bars: dict[JobId, tuple[Job, int]] = {}
        self._bars_told, self._tick_at, self._looked_at = 0, 0.0, 0.0

    async def run(self, is_stopping: Callable[[], bool]) -> None:
        """Tell until nobody listens any more."""
        await self._start()
        while self.readers and not is_stopping():
            try:
                frames = await self._next()
            except DatabaseUnavailable as error:
                logger.warning("stream_waits", account=self.account, reason=repr(error))
                await asyncio.sleep(RETRY_SECONDS)
                self.wake.set()
                continue
            for reader in list(self.readers):
                for frame in frames:
                    reader.push(frame)

    async def _start(self) -> None:
        """Once for all who wait for it: a second look would skip what the first ones await."""
        try:
            seen = await read_snapshot(self._api, self.account, None)
            self._watch_bars(seen.jobs)
            self.position = seen.position
            for reader in list(self.readers):
                reader.floor = seen.position
            self._tick_at = self._looked_at = _clock()
        finally:
            self.started.set()

    async def _next(self) -> list[Frame]:
        seconds_left = self._tick_at + TICK_SECONDS - _clock()
        if seconds_left > 0 and await self._is_woken(seconds_left):
            return await self._news()
        self._tick_at = _clock()
        if self._tick_at - self._looked_at >= LOOK_SECONDS:
            return await self._news()
        return await self._moved_bars()

    async def _is_woken(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self.wake.wait()
        except TimeoutError:
            return False
        self.wake.clear()
        return True

    async def _news(self) -> list[Frame]:
        """The position moves last: what fails on its way is looked at again."""
        seen = await read_snapshot(self._api, self.account, self.position)
        frames = [] if seen.is_too_much else await frames_of(self._api, seen)
        if seen.is_too_much:
            for reader in list(self.readers):
                reader.lag()
        self._watch_bars(seen.jobs)
        self.position = max(self.position, seen.position)
        self._looked_at = _clock()
        return frames

    def _watch_bars(self, changed: list[Job]) -> None:
        for job in changed:
            if job.status.is_end:
                self._bars.pop(job.job_id, None)
            elif job.started_at is not None:
                self._bars[job.job_id] = (job, progress_of(job))

    async def _moved_bars(self) -> list[Frame]:
        """Progress is no fact: it travels beside the log, and may be lost."""
        frames = []
        for job, shown in list(self._bars.values()):
            moved = progress_of(job)
            if moved > shown:
                self._bars[job.job_id] = (job, moved)
                self._bars_told += 1
                place = (self.position, PROGRESS_FROM + self._bars_told)
                frames.append(await job_frame(self._api, job, *place))
        return frames


class Streams:
    """All channels of this process. Announcements wake those that they concern."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._channels: dict[AccountId, Channel] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._heard = 0
        api.changes.listen(self._hear)

    async def open(self, reader: Reader) -> None:
        """Let a client in; raise Refused when there are too many, NotThereYet if rows are old."""
        await self._api.changes.wait_for(self._api.changes.needed)
        channel = self._channel(reader.caller.account_id)
        if len(channel.readers) >= READERS_OF_ACCOUNT_MAX:
            raise Refused("too_many_streams", f"{READERS_OF_ACCOUNT_MAX} streams are open")
        reader.floor = channel.position
        channel.readers.add(reader)
        self._api.authenticator.follow(reader)
        try:
            await channel.started.wait()
        except asyncio.CancelledError:
            self.leave(reader)
            raise
        if channel.position < 0:
            raise DatabaseUnavailable("the stream could not begin")

    def leave(self, reader: Reader) -> None:
        self._api.authenticator.unfollow(reader)
        channel = self._channels.get(reader.caller.account_id)
        if channel is not None:
            channel.readers.discard(reader)
            if not channel.readers:
                channel.wake.set()

    def stop(self) -> None:
        """End all streams: their clients come back, and continue at another process."""
        self._stopping = True
        for channel in self._channels.values():
            channel.wake.set()
            for reader in list(channel.readers):
                reader.wake.set()

    async def frames(self, reader: Reader) -> AsyncIterator[Frame | None]:
        """Yield what the reader has to see, in order; None for a ping when nothing happened.

        One job's stream ends after the job's last frame.
        """
        async for frame in self._everything(reader):
            yield frame
            if frame is not None and frame.is_last and reader.job is not None:
                return

    async def _everything(self, reader: Reader) -> AsyncIterator[Frame | None]:
        async with self._api.list_slots(reader.caller.account_id, CATCHING_UP):
            for frame in await self._missed(reader):
                if reader.is_over:
                    return
                yield frame
        while not (self._stopping or reader.is_over):
            reader.wake.clear()
            if reader.wants_resync:
                async with self._api.list_slots(reader.caller.account_id, CATCHING_UP):
                    yield await self._resync(reader)
            while not reader.is_over and (told := reader.pop()) is not None:
                yield told
            try:
                async with asyncio.timeout(PING_SECONDS):
                    await reader.wake.wait()
            except TimeoutError:
                yield None

    async def _missed(self, reader: Reader) -> list[Frame]:
        """What changed since the reader's cursor; without one, a job's stream begins with now."""
        if reader.wants_resync or (reader.after is None and reader.job is None):
            return []
        after = reader.after or Cursor(self._api.log.epoch, 0)
        # An index tells how much of the commit itself was seen: the rest of it is looked at too.
        since = after.sequence if after.index in {0, ALL_OF_COMMIT} else after.sequence - 1
        seen = await read_snapshot(self._api, reader.caller.account_id, since, reader.job)
        if seen.is_too_much:
            reader.wants_resync = True
            return []
        reader.floor = seen.position
        return [each for each in await frames_of(self._api, seen) if is_after(each, after)]

    async def _resync(self, reader: Reader) -> Frame:
        seen = await read_snapshot(self._api, reader.caller.account_id, None, reader.job)
        reader.wants_resync, reader.floor = False, seen.position
        return await resync_frame(self._api, seen)

    def _channel(self, account: AccountId) -> Channel:
        channel = self._channels.get(account)
        if channel is None:
            channel = self._channels[account] = Channel(self._api, account)
            task = asyncio.create_task(self._run(channel))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return channel

    async def _run(self, channel: Channel) -> None:
        """Nothing is awaited between its end and its going: whoever comes next finds a new one."""
        try:
            await channel.run(lambda: self._stopping)
        except DatabaseUnavailable as error:
            logger.warning("stream_waits", account=channel.account, reason=repr(error))
        except Exception as error:
            logger.exception("stream_failed", account=channel.account, exc_info=error)
        finally:
            self._channels.pop(channel.account, None)
            for reader in list(channel.readers):
                reader.end()  # Its client comes back, and continues.

    def _hear(self, heard: Announcement) -> None:
        """Where an announcement was lost, anything may have changed."""
        is_gap, self._heard = heard.previous > self._heard, heard.position
        concerned = {row.account_id for row in heard.rows} & self._channels.keys()
        for account in self._channels if is_gap else concerned:
            self._channels[account].wake.set()


def _clock() -> float:
    return asyncio.get_running_loop().time()
