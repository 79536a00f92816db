"""Follows an account or a job: by a stream while there is one, else by asking again and again."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing

import httpx
import msgspec
from msgspec import Struct

from darkroom_client import operations
from darkroom_client.asking import PATIENTLY, AccountReader, jobs_of, runs_of
from darkroom_client.calls import Call, Calls, is_passing, pause_before
from darkroom_client.errors import UNREADABLE, BadAnswer, DarkroomError, Problem, Unreachable
from darkroom_client.frames import SILENCE_SECONDS_MAX, Frame, frames_of
from darkroom_client.known import ENDS, AnyDocument, Known
from darkroom_client.models import Credits, Gone, Job, Resync, Run

# How often to ask, as the pages do that these kinds were made for.
POLL_SECONDS = {"infograph": 3.0, "character_image": 1.0, "funnel_step": 2.5}
POLL_SECONDS_DEFAULT = 3.0
STREAM_FAILURES_MAX = 1  # In a row; then it polls.
STREAM_AGAIN_SECONDS = 15.0
STREAM_PAUSE_SECONDS = 1.0  # From the beginning of a stream to that of the next, at least.
AWAY_SECONDS_MAX = 600.0
TYPES: dict[str, type[AnyDocument]] = {
    "job": Job,
    "run": Run,
    "credits": Credits,
    "gone": Gone,
    "resync": Resync,
}


class Change(Struct, frozen=True):
    """Something is as `document` says now: put it where the old one stood. A Resync holds all that
    has not ended; the others that were told before are told after it, one by one. `cursor`, given
    to another watch as `after`, continues behind this change.
    """

    document: AnyDocument
    cursor: str | None


class Pace(Struct, frozen=True):
    """The limits of a watch, in seconds. `poll` is how often to ask while no stream can be had;
    without it, as often as the page asks that the job's kind was made for.
    """

    poll: float | None = None
    silence_max: float = SILENCE_SECONDS_MAX
    stream_again: float = STREAM_AGAIN_SECONDS
    away_max: float = AWAY_SECONDS_MAX


class Watch:
    """One watch: `async for change in client.watch(): …`. After a cut it goes on without a gap and
    without a repeat, and while no stream can be had, it polls. `cursor` is where it has got to.

    A watch of a job is over when the job has ended or is gone. One of an account is over when
    nobody asks for more, or with Unreachable, when nothing was heard for `Pace.away_max` seconds.
    """

    def __init__(self, calls: Calls, job_id: str | None, after: str | None, pace: Pace) -> None:
        self.cursor, self.is_polling = after, False
        self._calls, self._job_id, self._pace = calls, job_id, pace
        self._known = Known()
        self._account = AccountReader(calls, self._known)
        self._failures = 0
        self._is_over = False
        self._kind = ""
        self._time = asyncio.get_running_loop().time
        self._stream_at = self._heard_at = self._began_at = self._time()

    def __aiter__(self) -> AsyncIterator[Change]:
        return self._changes()

    async def _changes(self) -> AsyncGenerator[Change, None]:
        while not self._is_over:
            if self._time() >= self._stream_at:
                async with aclosing(self._streamed()) as streamed:
                    async for change in streamed:
                        yield change
            self.is_polling = self._failures > STREAM_FAILURES_MAX
            if self.is_polling and not self._is_over:
                for change in await self._polled():
                    yield change
            if not self._is_over:
                await asyncio.sleep(self._pause_seconds)

    async def _streamed(self) -> AsyncGenerator[Change, None]:
        """Yield what a stream says, until it ends for whatever reason."""
        self._failures += 1
        self._began_at = self._time()
        try:
            async with aclosing(self._frames()) as frames:
                async for frame in frames:
                    self._note_life()
                    for change in await self._news_of(frame):
                        yield change
            if self._job_id is not None and not self._is_over:  # Its last frame was sent before.
                for change in await self._polled():
                    yield change
        except DarkroomError as error:
            for change in self._after(error):
                yield change
        self._failures += self._failures == 0  # A stream is not meant to end.
        is_lost = self._failures > STREAM_FAILURES_MAX
        self._stream_at = self._time() + self._pace.stream_again * is_lost

    def _after(self, error: DarkroomError) -> list[Change]:
        """Raise what will not pass; return that the job is gone, where this is what is wrong."""
        if isinstance(error, Problem) and error.status == httpx.codes.NOT_FOUND and self._job_id:
            return self._told([Gone(id=self._job_id)], self.cursor)
        if not is_passing(error):
            raise error
        if self._time() - self._heard_at > self._pace.away_max:
            raise Unreachable(f"nothing was heard for {self._pace.away_max:g} seconds") from error
        return []

    async def _frames(self) -> AsyncGenerator[Frame, None]:
        chunks = self._calls.chunks(self._stream_call(), self._pace.silence_max)
        async with aclosing(chunks), aclosing(frames_of(chunks, self._pace.silence_max)) as frames:
            async for frame in frames:
                yield frame

    def _stream_call(self) -> Call[None]:
        query = {"after": self.cursor}
        if self._job_id is None:
            return Call(operations.STREAM_ACCOUNT, query=query)
        return Call(operations.STREAM_JOB, (self._job_id,), query=query)

    async def _news_of(self, frame: Frame) -> list[Change]:
        """Return what a frame tells. Its cursor counts once all of that is known: of a resync that
        could not be completed, a stream behind the same cursor tells again.
        """
        behind = frame.id or self.cursor
        documents: list[AnyDocument] = []
        if frame.event in TYPES:
            try:
                document = msgspec.json.decode(frame.data, type=TYPES[frame.event])
            except UNREADABLE as error:
                self.cursor = behind  # It would come again and again.
                raise BadAnswer(f"a frame is not what the reference says: {error}") from error
            documents = await self._with_what_is_absent(document)
        return self._told(documents, behind)

    async def _with_what_is_absent(self, document: AnyDocument) -> list[AnyDocument]:
        if not isinstance(document, Resync):
            return [document]
        if self._job_id is not None:
            return [*document.jobs] or await jobs_of(self._calls, [self._job_id], PATIENTLY)
        jobs, runs = self._known.absent_from(document)
        found = await jobs_of(self._calls, jobs, PATIENTLY)
        return [document, *found, *await runs_of(self._calls, runs, PATIENTLY)]

    async def _polled(self) -> list[Change]:
        """Return what has changed since it was last asked."""
        try:
            if self._job_id is not None:
                found = await jobs_of(self._calls, [self._job_id])
            else:
                found = await self._account.read()
        except DarkroomError as error:
            return self._after(error)
        self._heard_at = self._time()
        behind = self.cursor
        for document in found:
            if behind is None and isinstance(document, Credits):
                behind = document.as_of  # From here on a stream will tell.
        return self._told(found, behind)

    def _told(self, documents: Sequence[AnyDocument], behind: str | None) -> list[Change]:
        """Return what of it is news, and note what it says about the job. Only the last leads
        behind all of it: whoever went on there after another one would miss the rest.
        """
        news = [each for each in documents if self._is_news(each)]
        changes = [Change(each, self.cursor) for each in news[:-1]]
        self.cursor = behind
        return changes + [Change(each, behind) for each in news[-1:]]

    def _is_news(self, document: AnyDocument) -> bool:
        is_gone = isinstance(document, Gone) and self._job_id is not None
        if isinstance(document, Job):
            self._kind = document.kind
            self._is_over |= self._job_id is not None and document.status in ENDS
        self._is_over |= is_gone
        return self._known.is_news(document) or is_gone  # Deleted before it was ever told.

    def _note_life(self) -> None:
        self._failures, self.is_polling = 0, False
        self._heard_at = self._time()

    @property
    def _pause_seconds(self) -> float:
        if not self.is_polling:  # A server that ends every stream at once is not asked in a loop.
            lived = self._time() - self._began_at
            return max(pause_before(self._failures), STREAM_PAUSE_SECONDS - lived)
        return self._pace.poll or POLL_SECONDS.get(self._kind, POLL_SECONDS_DEFAULT)
