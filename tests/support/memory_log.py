"""The log in memory: for unit tests and for the seeded simulation."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator

from application.event_log import (
    AlreadyMine,
    AppendOutcome,
    Conflict,
    LogMessage,
    Stored,
    Unavailable,
)
from contracts import codec
from contracts.commit import COMMIT_BYTES_MAX, Commit, Mark, Recorded
from contracts.subjects import Subject


class MemoryLog:
    """Holds encoded commits, so that what is read back went through the codec."""

    def __init__(self, epoch: str = "memory") -> None:
        self.epoch = epoch
        self._entries: list[LogMessage] = []
        self._by_subject: dict[Subject, list[int]] = defaultdict(list)
        self._grown = asyncio.Event()
        self.expected = Mark(epoch, 0)

    async def append(self, subject: Subject, commit: Commit, *, after: int | None) -> AppendOutcome:
        history = self._by_subject[subject]
        for sequence in history:
            if after is not None and sequence <= after:
                continue
            if self._entries[sequence - 1].recorded().commit.id == commit.id:
                return AlreadyMine(sequence)
        if after is not None and after != (history[-1] if history else 0):
            return Conflict()
        body = codec.encode(commit)
        if len(body) > COMMIT_BYTES_MAX:
            return Unavailable("the commit is too large", full=True)
        entry = LogMessage(len(self._entries) + 1, subject, body)
        self._entries.append(entry)
        history.append(entry.sequence)
        self._grown.set()
        return Stored(entry.sequence)

    async def last(self, subject: Subject) -> Recorded | None:
        history = self._by_subject[subject]
        return await self.read(history[-1]) if history else None

    async def next(self, subject: Subject, sequence: int) -> Recorded | None:
        found = next((each for each in self._by_subject[subject] if each >= sequence), None)
        return await self.read(found) if found is not None else None

    async def read(self, sequence: int) -> Recorded | None:
        if not 1 <= sequence <= len(self._entries):
            return None
        return self._entries[sequence - 1].recorded()

    def entries(self) -> list[LogMessage]:
        return list(self._entries)

    async def end(self) -> int:
        return len(self._entries)

    def expect(self, mark: Mark) -> None:
        self.expected = mark

    def saw(self, mark: Mark) -> None:
        del mark

    async def follow(self, after: int) -> AsyncIterator[list[LogMessage]]:
        while True:
            if after < len(self._entries):
                batch = self._entries[after:]
                after += len(batch)
                yield batch
            else:
                self._grown.clear()
                await self._grown.wait()
