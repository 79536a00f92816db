"""The broker of the simulation: one log that may be away or set back, its consumers, its words."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from msgspec import Struct
from nats.js.errors import KeyWrongLastSequenceError

from application.event_log import (
    AlreadyMine,
    AppendOutcome,
    LogMessage,
    LogSetBack,
    LogUnavailable,
    Stored,
    Unavailable,
)
from contracts.commit import Commit, Mark, Recorded
from contracts.subjects import Subject
from tests.faults.acts import Acts
from tests.faults.processes import Crash, Process, Weather
from tests.support.memory_log import MemoryLog

CLAIM_SECONDS = 120.0


class Word(Struct, frozen=True):
    """A message on plain NATS."""

    data: bytes


class Broker:
    """`shown` is where the log ends while the broker is set back; `connection` counts how often
    everybody has had to connect again.
    """

    def __init__(self, weather: Weather) -> None:
        self.log = MemoryLog()
        self.weather = weather
        self.acts = Acts()
        self.shown: int | None = None
        self.connection = 0
        self.listeners: list[tuple[Process, str, Callable[[Any], Awaitable[None]]]] = []
        self._claims: dict[str, float] = {}

    @property
    def end(self) -> int:
        return len(self.log._entries) if self.shown is None else self.shown

    def set_back(self, to: int | None) -> None:
        """Show an older copy of the log; None: the newer one again."""
        self.shown = to
        self.connection += 1
        self.log._grown.set()

    def claim(self, name: str, clock: float) -> None:
        if self._claims.get(name, 0.0) > clock:
            raise KeyWrongLastSequenceError(description="wrong last sequence")
        self._claims[name] = clock + CLAIM_SECONDS


class FaultyLog:
    """One process's view of the one log: it may be away, lose a reply, or be the last it sees.

    It is compared with what the process knows of it once a connection, as the real one is.
    """

    def __init__(self, broker: Broker, process: Process) -> None:
        self.epoch = broker.log.epoch
        self._broker, self._log, self._process = broker, broker.log, process
        self._expected = Mark(self.epoch, 0)
        self._checked = -1

    def expect(self, mark: Mark) -> None:
        self._expected, self._checked = mark, -1

    def saw(self, mark: Mark) -> None:
        if mark.sequence > self._expected.sequence:
            self._expected = mark

    def _check(self) -> None:
        if self._checked == self._broker.connection:
            return
        if self._expected.sequence > self._broker.end:
            raise LogSetBack(f"the log ends at {self._broker.end}")
        if self._broker.shown is not None:
            broken = f"{self._process.name} takes a log that was set back for the one it was"
            self._broker.acts.broken.append(broken)
        self._checked = self._broker.connection

    async def _reach(self) -> None:
        weather = self._process.weather
        await asyncio.sleep(weather.dice.choice((0.0, 0.0, 0.01, 0.3)))
        if weather.is_faulty(0.005):
            raise LogUnavailable("the broker is away")
        self._check()

    async def last(self, subject: Subject) -> Recorded | None:
        await self._reach()
        return self._found(await self._log.last(subject))

    async def next(self, subject: Subject, sequence: int) -> Recorded | None:
        await self._reach()
        return self._found(await self._log.next(subject, sequence))

    async def read(self, sequence: int) -> Recorded | None:
        await self._reach()
        return self._found(await self._log.read(sequence))

    def _found(self, recorded: Recorded | None) -> Recorded | None:
        if recorded is not None:
            self._know(recorded.sequence, recorded.commit)
        return recorded

    def _know(self, sequence: int, commit: Commit) -> None:
        self._process.knows = max(self._process.knows, sequence)
        self.saw(Mark(self.epoch, sequence, commit.id))

    async def end(self) -> int:
        self._check()
        return self._broker.end

    async def append(self, subject: Subject, commit: Commit, *, after: int | None) -> AppendOutcome:
        acts = self._broker.acts.recorded_by(commit, self._process)
        outcome = await self._append(subject, commit, after)
        for act in acts:
            act.failed = not isinstance(outcome, Stored | AlreadyMine)
        return outcome

    async def _append(self, subject: Subject, commit: Commit, after: int | None) -> AppendOutcome:
        self._process.point()
        weather = self._process.weather
        await asyncio.sleep(weather.dice.choice((0.0, 0.01, 0.5)))
        if weather.is_faulty(0.03):
            return Unavailable("the broker is away")
        try:
            self._check()
        except LogSetBack as error:
            return Unavailable(str(error), full=True)
        acts = self._broker.acts.recorded_by(commit, self._process)
        outcome = await self._log.append(subject, commit, after=after)
        if isinstance(outcome, Stored | AlreadyMine):
            for act in acts:
                act.stored_at = asyncio.get_running_loop().time()
        self._process.point()
        if weather.is_faulty(0.02):
            return Unavailable("the broker's reply was lost")
        if isinstance(outcome, Stored | AlreadyMine):
            self._know(outcome.sequence, commit)
        return outcome

    async def follow(self, after: int) -> AsyncIterator[list[LogMessage]]:
        """In small pieces while it is not calm, so that others see rows between them."""
        while True:
            self._check()
            if after < self._broker.end:
                calm = self._process.weather.calm
                size = 10_000 if calm else self._process.weather.dice.choice((1, 8, 10_000))
                batch = self._log._entries[after : after + size]
                after += len(batch)
                yield batch
            else:
                self._log._grown.clear()
                await self._log._grown.wait()


class Wire:
    """What one process says and hears beside the log: each word may be lost."""

    def __init__(self, broker: Broker, process: Process) -> None:
        self._broker, self._process = broker, process

    async def subscribe(self, subject: str, cb: Callable[[Any], Awaitable[None]]) -> None:
        self._broker.listeners.append((self._process, subject, cb))

    async def publish(self, subject: str, body: bytes) -> None:
        broker = self._broker
        broker.listeners = [each for each in broker.listeners if not each[0].dead]
        for _, wanted, heard in broker.listeners:
            if wanted == subject and not broker.weather.is_faulty(0.1):
                await heard(Word(body))


class Claims:
    """The bucket of claims, as one process sees it: who creates a name first has it."""

    def __init__(self, broker: Broker, process: Process) -> None:
        self._broker, self._process = broker, process

    async def open(self) -> "Claims":
        return self

    async def create(self, name: str, value: bytes) -> None:
        del value
        self._process.point()
        self._broker.claim(name, asyncio.get_running_loop().time())
        self._process.point()


class Consumer:
    """A durable consumer: at least once, in any order, to any process; acks may be lost."""

    def __init__(self, broker: Broker, subject: str) -> None:
        self._broker, self._subject, self._dice = broker, subject, broker.weather.dice
        self._seen = 0
        self._waiting: set[int] = set()
        self._acked: set[int] = set()
        self._under_way: set[int] = set()

    def forget_acks(self, after: int) -> None:
        """The broker's older copy does not know of these."""
        self._waiting |= {sequence for sequence in self._acked if sequence > after}

    async def run(self, handle: Callable[[Recorded], Awaitable[None]]) -> None:
        own: set[asyncio.Task[None]] = set()
        try:
            while True:
                for sequence in self._ready():
                    task = asyncio.create_task(self._deliver(sequence, handle))
                    own.add(task)
                    task.add_done_callback(own.discard)
                await asyncio.sleep(self._dice.uniform(0.05, 0.15))
        finally:
            left = list(own)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    def _ready(self) -> list[int]:
        for entry in self._broker.log._entries[self._seen : self._broker.end]:
            self._seen = entry.sequence
            if entry.subject.startswith(self._subject):
                self._waiting.add(entry.sequence)
        return [
            each for each in sorted(self._waiting - self._under_way) if each <= self._broker.end
        ]

    async def _deliver(self, sequence: int, handle: Callable[[Recorded], Awaitable[None]]) -> None:
        self._under_way.add(sequence)
        try:
            recorded = await self._broker.log.read(sequence)
            assert recorded is not None
            await asyncio.sleep(self._dice.uniform(0, 0.2))
            await self._handle(recorded, handle)
        finally:
            self._under_way.discard(sequence)

    async def _handle(
        self, recorded: Recorded, handle: Callable[[Recorded], Awaitable[None]]
    ) -> None:
        try:
            await handle(recorded)
        except (Exception, Crash):
            await asyncio.sleep(1)
            return
        if not self._broker.weather.is_faulty(0.1):  # Else the acknowledgement is lost.
            self._acked.add(recorded.sequence)
            self._waiting.discard(recorded.sequence)
