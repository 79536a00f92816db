"""Processes of the simulation: lives that end between two effects, and what each sees."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

from msgspec import Struct

from adapters.attempt_tokens import AttemptTokens
from adapters.event_log import Outcome, Unavailable
from adapters.event_log.memory import MemoryLog
from contracts.commit import Commit, Recorded
from contracts.ids import AccountId, JobId
from contracts.subjects import Subject
from tests.faults.scripted_provider import ScriptedProvider


class Weather(Struct):
    """What the seed lets go wrong; nothing any more once it is calm."""

    dice: random.Random
    calm: bool = False

    def is_faulty(self, chance: float) -> bool:
        return not self.calm and self.dice.random() < chance


class Crash(BaseException):
    """The process died right here: nothing catches it, nothing after it happens."""


class Process:
    """One life of a service. Once it has crashed, all that it still tries crashes too."""

    def __init__(self, weather: Weather, name: str) -> None:
        self.weather, self.name, self.dead = weather, name, False

    def point(self) -> None:
        """A place between two effects: here the process may die."""
        mortal = self.name != "client"
        if self.dead or (mortal and self.weather.is_faulty(0.015)):
            self.dead = True
            raise Crash


class FaultyLog(MemoryLog):
    """One process's view of the one log: it may be away, lose a reply, or be the last it sees."""

    def __init__(self, shared: MemoryLog, process: Process) -> None:
        self.__dict__ = shared.__dict__ | {"process": process}
        self.process = process

    async def last(self, subject: Subject) -> Recorded | None:
        found = await super().last(subject)
        await asyncio.sleep(self.process.weather.dice.choice((0.0, 0.01, 0.3)))
        return found

    async def append(self, subject: Subject, commit: Commit, *, after: int | None) -> Outcome:
        self.process.point()
        weather = self.process.weather
        await asyncio.sleep(weather.dice.choice((0.0, 0.01, 0.5)))
        if weather.is_faulty(0.03):
            return Unavailable("the broker is away")
        outcome = await super().append(subject, commit, after=after)
        self.process.point()
        if weather.is_faulty(0.02):
            return Unavailable("the broker's reply was lost")
        return outcome


class Consumer:
    """The broker's side of a durable consumer: at least once, in any order, acks may be lost."""

    def __init__(self, log: MemoryLog, subject: str, weather: Weather) -> None:
        self._log, self._subject, self._weather = log, subject, weather
        self._acked: set[int] = set()

    async def run(self, handle: Callable[[Recorded], Awaitable[None]]) -> None:
        under_way: dict[int, asyncio.Task[None]] = {}
        try:
            while True:
                for sequence in range(1, await self._log.end() + 1):
                    running = under_way.get(sequence)
                    if sequence not in self._acked and (running is None or running.done()):
                        under_way[sequence] = asyncio.create_task(self._deliver(sequence, handle))
                await asyncio.sleep(0.1)
        finally:
            for task in under_way.values():
                task.cancel()
            await asyncio.gather(*under_way.values(), return_exceptions=True)

    async def _deliver(self, sequence: int, handle: Callable[[Recorded], Awaitable[None]]) -> None:
        recorded = await self._log.read(sequence)
        assert recorded is not None
        if not recorded.subject.startswith(self._subject):
            self._acked.add(sequence)
            return
        await asyncio.sleep(self._weather.dice.uniform(0, 0.2))
        try:
            await handle(recorded)
        except (Exception, Crash):
            await asyncio.sleep(1)
            return
        if not self._weather.is_faulty(0.1):  # Else the acknowledgement is lost.
            self._acked.add(sequence)


class Gateway:
    """The provider as one process sees it: the process may die before and after each call."""

    def __init__(self, provider: ScriptedProvider, process: Process) -> None:
        self._provider, self._process = provider, process

    def known(self, endpoint: str, request_id: str) -> Any:
        return self._provider.known(endpoint, request_id)

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any) -> Any:
            self._process.point()
            answer = await getattr(self._provider, name)(*_plain(arguments))
            self._process.point()
            return answer

        return call


class Tokens(AttemptTokens):
    """Writes the token so that the scripted provider can read whose job it is."""

    def mint(self, account: AccountId, job: JobId, attempt: int) -> str:
        return f"{job}/{attempt}/{account}"


def _plain(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    last = arguments[-1]
    if isinstance(last, str) and "token=" in last:
        return (*arguments[:-1], last.partition("token=")[2])
    return arguments


async def live_together(process: Process, *work: Any) -> None:
    """Run a process's parts; one that crashes takes the others with it."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        process.dead = True
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
