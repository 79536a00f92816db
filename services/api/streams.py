"""Streams: the changes of an account, read once and sent to all of its connected clients.

A channel holds an account's readers, one for each client, and the position up to which they have
been given frames. When the projector announces a change, or an announcement was lost, the channel
reads the rows that changed after that position, in one snapshot, and gives each reader the same
frames. What a client missed before it connected is read for that client alone.
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
    AccountSnapshot,
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
PROGRESS_SECONDS = 2.0  # Between two frames about the progress of a job.
REREAD_SECONDS = 15.0  # After so long the rows are read anyway: an announcement may be lost.
RETRY_SECONDS = 0.5
QUEUED_BYTES_MAX = 256 * 1024
READERS_OF_ACCOUNT_MAX = 2000
CATCHING_UP = "catching up"  # What clients take slots for that read what they missed.


class Reader(ConnectedCaller):
    """One connected client. Its frames wait up to a limit in bytes; a client that is slower than
    that gets a resync instead of what it missed.
    """

    def __init__(self, caller: Caller, after: Cursor | None, job: JobId | None) -> None:
        self.wake = asyncio.Event()
        super().__init__(caller, self.wake.set)
        self.after = after
        self.job = job
        self.position = 0  # All changes up to this sequence were sent, or are not wanted.
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
        """Return the next frame that the client lacks, None when there is none."""
        while self._queue:
            frame = self._queue.popleft()
            self._bytes -= len(frame.body)
            if (frame.sequence, frame.is_progress) > (self.position, False):
                return frame
        return None


class Channel:
    """An account's readers, and the position up to which they have been given frames."""

    def __init__(self, api: Api, account: AccountId) -> None:
        self.account = account
        self.readers: WeakSet[Reader] = WeakSet()  # A client may go without leaving.
        self.wake = asyncio.Event()
        self.started = asyncio.Event()
        self.position = -1
        self._api = api
        self._progress: dict[JobId, tuple[Job, int]] = {}  # Open jobs, and the percent last sent.
        self._progress_frames, self._progress_at, self._read_at = 0, 0.0, 0.0

    async def run(self, is_stopping: Callable[[], bool]) -> None:
        """Give the readers their frames until none is left."""
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
        """Read a first position, one for all readers: a later one would skip changes for some."""
        try:
            self._accept(await read_snapshot(self._api, self.account))
            for reader in list(self.readers):
                reader.position = self.position
            self._progress_at = self._read_at
        finally:
            self.started.set()

    async def _next(self) -> list[Frame]:
        seconds_left = self._progress_at + PROGRESS_SECONDS - _clock()
        if seconds_left > 0 and await _is_set(self.wake, seconds_left):
            self.wake.clear()
            return await self._changes()
        self._progress_at = _clock()
        if self._progress_at - self._read_at >= REREAD_SECONDS:
            return await self._changes()
        return await self._new_progress()

    async def _changes(self) -> list[Frame]:
        """Return a frame for each row that changed. If this fails, the same rows are read again."""
        snapshot = await read_snapshot(self._api, self.account, self.position)
        frames = [] if snapshot.is_too_much else await frames_of(self._api, snapshot)
        if snapshot.is_too_much:
            for reader in list(self.readers):
                reader.lag()
        self._accept(snapshot)
        return frames

    def _accept(self, snapshot: AccountSnapshot) -> None:
        """Move to the position of what was read, and follow the progress of its open jobs."""
        for job in snapshot.jobs:
            if job.status.is_end:
                self._progress.pop(job.job_id, None)
            elif job.started_at is not None:
                self._progress[job.job_id] = (job, progress_of(job))
        self.position = max(self.position, snapshot.position)
        self._read_at = _clock()

    async def _new_progress(self) -> list[Frame]:
        """Return frames about progress. It is not in the log: a client that is away misses them."""
        frames = []
        for job, shown in list(self._progress.values()):
            percent = progress_of(job)
            if percent > shown:
                self._progress[job.job_id] = (job, percent)
                self._progress_frames += 1
                place = (self.position, PROGRESS_FROM + self._progress_frames)
                frames.append(await job_frame(self._api, job, place))
        return frames


class Streams:
    """All channels of this process. An announcement wakes the channels of its accounts."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._channels: dict[AccountId, Channel] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._announced = 0
        api.changes.listen(self._hear)

    async def open(self, reader: Reader) -> None:
        """Let a client in; raise Refused when there are too many, NotThereYet for rows too old."""
        await self._api.changes.wait_for(self._api.changes.needed)
        channel = self._channel(reader.caller.account_id)
        if len(channel.readers) >= READERS_OF_ACCOUNT_MAX:
            raise Refused("too_many_streams", f"{READERS_OF_ACCOUNT_MAX} streams are open")
        reader.position = channel.position
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
        if (channel := self._channels.get(reader.caller.account_id)) is not None:
            channel.readers.discard(reader)
            if not channel.readers:
                channel.wake.set()

    def stop(self) -> None:
        """End all streams: their clients connect again, and continue at another process."""
        self._stopping = True
        for channel in self._channels.values():
            channel.wake.set()
            for reader in list(channel.readers):
                reader.wake.set()

    async def frames(self, reader: Reader) -> AsyncIterator[Frame | None]:
        """Yield a reader's frames, None for a ping; one job's stream ends after its last frame."""
        async for frame in self._all_frames(reader):
            yield frame
            if frame is not None and frame.is_last and reader.job is not None:
                return

    async def _all_frames(self, reader: Reader) -> AsyncIterator[Frame | None]:
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
            while not reader.is_over and (next_frame := reader.pop()) is not None:
                yield next_frame
            if not await _is_set(reader.wake, PING_SECONDS):
                yield None

    async def _missed(self, reader: Reader) -> list[Frame]:
        """Return what changed after the reader's cursor. Without a cursor, the stream of an account
        begins empty, and that of one job with the job as it is now.
        """
        if reader.wants_resync or (reader.after is None and reader.job is None):
            return []
        after = reader.after or Cursor(self._api.log.epoch, 0)
        # A cursor inside a commit: the rest of that commit has to be read too.
        since = after.sequence if after.index in {0, ALL_OF_COMMIT} else after.sequence - 1
        snapshot = await read_snapshot(self._api, reader.caller.account_id, since, reader.job)
        if snapshot.is_too_much:
            reader.wants_resync = True
            return []
        reader.position = snapshot.position
        return [each for each in await frames_of(self._api, snapshot) if is_after(each, after)]

    async def _resync(self, reader: Reader) -> Frame:
        snapshot = await read_snapshot(self._api, reader.caller.account_id, job=reader.job)
        reader.wants_resync, reader.position = False, snapshot.position
        return await resync_frame(self._api, snapshot)

    def _channel(self, account: AccountId) -> Channel:
        if (channel := self._channels.get(account)) is None:
            channel = self._channels[account] = Channel(self._api, account)
            task = asyncio.create_task(self._run(channel))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return channel

    async def _run(self, channel: Channel) -> None:
        """Run a channel. Between its end and its removal nothing is awaited: no client joins it."""
        try:
            await channel.run(lambda: self._stopping)
        except DatabaseUnavailable as error:
            logger.warning("stream_waits", account=channel.account, reason=repr(error))
        except Exception as error:
            logger.exception("stream_failed", account=channel.account, exc_info=error)
        finally:
            self._channels.pop(channel.account, None)
            for reader in list(channel.readers):
                reader.end()  # Its client connects again, and continues.

    def _hear(self, heard: Announcement) -> None:
        """Wake the channels that an announcement names; all of them when one was lost."""
        is_gap, self._announced = heard.previous > self._announced, heard.position
        concerned = {row.account_id for row in heard.rows} & self._channels.keys()
        for account in self._channels if is_gap else concerned:
            self._channels[account].wake.set()


async def _is_set(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event, at most so long."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


def _clock() -> float:
    return asyncio.get_running_loop().time()
