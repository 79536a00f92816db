"""The log's port: what may be done with it, and how each append can end."""

from collections.abc import AsyncIterator
from typing import Protocol

from msgspec import Struct

from contracts import codec
from contracts.commit import Commit, Mark, Recorded
from contracts.subjects import Subject


class Stored(Struct, frozen=True):
    """The commit is in the log, durably, at `sequence`."""

    sequence: int


class AlreadyMine(Struct, frozen=True):
    """An earlier try of this very append had succeeded; its reply was lost."""

    sequence: int


class Conflict(Struct, frozen=True):
    """Somebody else's commit came first: the decision was made on an old state."""


class Unavailable(Struct, frozen=True):
    """The log did not answer, or refused. Whether the commit was stored is not known, unless
    `full`: then it was not.
    """

    reason: str
    full: bool = False


AppendOutcome = Stored | AlreadyMine | Conflict | Unavailable


class LogUnavailable(Exception):
    """The log cannot be read, or an append's outcome is Unavailable."""


class LogTooOld(LogUnavailable):
    """The log is of a version whose events this one does not read; nothing in it is touched."""


class LogSetBack(LogUnavailable):
    """The log is not the one that it was: commits that had been acknowledged are gone, or it is
    another log altogether. Nothing may be decided on it until an operator has looked.
    """


class OutcomeUnknown(LogUnavailable):
    """The commit may be in the log, or come into it still."""


class LogMessage(Struct, frozen=True):
    """One message of the log, not decoded yet."""

    sequence: int
    subject: Subject
    body: bytes

    def recorded(self) -> Recorded:
        """Decode; raise contracts.codec.Undecodable."""
        return Recorded(self.sequence, self.subject, codec.decode(self.body))


class EventLog(Protocol):
    """All commits, in order. Reads see every acknowledged append and raise LogUnavailable."""

    @property
    def epoch(self) -> str: ...

    async def append(self, subject: Subject, commit: Commit, *, after: int | None) -> AppendOutcome:
        """Store the commit if `after` is the last sequence on its subject (None: no guard)."""
        ...

    async def last(self, subject: Subject) -> Recorded | None: ...

    async def next(self, subject: Subject, sequence: int) -> Recorded | None:
        """Return the first commit on the subject at or after `sequence`."""
        ...

    async def read(self, sequence: int) -> Recorded | None: ...

    async def end(self) -> int:
        """Return the sequence of the last commit, 0 when there is none."""
        ...

    def expect(self, mark: Mark) -> None:
        """Check before the next read or append that the log has this commit, and again whenever a
        connection is made. While it has not, reads raise LogSetBack and appends are Unavailable.
        """
        ...

    def saw(self, mark: Mark) -> None:
        """Remember a commit that was read from the log: it is expected from now on."""
        ...

    def follow(self, after: int) -> AsyncIterator[list[LogMessage]]:
        """Yield everything after `after`, in order and without gaps, for ever."""
        ...


async def tail(log: EventLog, subject: Subject, after: int) -> list[Recorded]:
    """Return the subject's commits after the sequence `after`."""
    commits: list[Recorded] = []
    while (found := await log.next(subject, after + 1)) is not None:
        commits.append(found)
        after = found.sequence
    return commits


def require_stored(outcome: AppendOutcome) -> int | None:
    """Return where the commit stands; None after a conflict; raise LogUnavailable when it was
    not stored, OutcomeUnknown when nobody can tell.
    """
    match outcome:
        case Stored(sequence) | AlreadyMine(sequence):
            return sequence
        case Conflict():
            return None
        case Unavailable(reason, full=True):
            raise LogUnavailable(reason)
        case Unavailable(reason):
            raise OutcomeUnknown(reason)
