"""The whole of Darkroom in one process, on virtual time, with a seed that decides what breaks.

`python -m tests.faults.simulation SEED` repeats one run and tells what it wrote.
"""

import asyncio
import random
import sys
from collections import Counter

import structlog

from adapters.changes import Changes
from application import clock
from contracts.ids import AccountId, JobId
from tests.faults import next_looks
from tests.faults.broker import FaultyLog
from tests.faults.clients import Client
from tests.faults.fairness import Fairness
from tests.faults.invariants import Witness, check
from tests.faults.lives import Services
from tests.faults.processes import Process, Weather
from tests.faults.troubles import Troubles
from tests.support.memory import MemoryDatabase
from tests.support.memory_log import MemoryLog
from tests.support.virtual_time import VirtualLoop, run

ACCOUNTS = (AccountId("one"), AccountId("two"))
OWNERS = {ACCOUNTS[1]: ACCOUNTS[0]}  # One is a product's, which hears of two's jobs as well.
FAULTY_SECONDS = 30.0
CALM_SECONDS_MAX = 600.0
FAIRNESS_CHANCE = 0.06


class World:
    def __init__(self, seed: int, database: MemoryDatabase, loop: VirtualLoop) -> None:
        self.dice = random.Random(seed)
        self.weather = Weather(self.dice)
        self.database = database
        self.services = Services(self.weather, database)
        self.troubles = Troubles(self.services)
        self.loop = loop
        self.accepted: set[JobId] = set()
        self.changes = Changes(self.services.position)
        self.fairness: Fairness | None = None
        self._is_fairness_seen = self.dice.random() < FAIRNESS_CHANCE

    @property
    def came_about(self) -> Counter[str]:
        """What of the rarer things did happen in this run."""
        found = Counter(self.troubles.seen)
        found["heap and dead endpoint"] = int(self.fairness is not None)
        found["told or cancelled again for a reason"] = self.services.broker.acts.excused
        found["told or cancelled"] = self.services.broker.acts.done
        return found

    @property
    def log(self) -> MemoryLog:
        return self.services.broker.log

    async def live(self) -> None:
        """Faults for a while, then calm: everything that was accepted has to end."""
        services = self._begin()
        await self.changes.start(self.services.wire(Process(self.weather, "client")))
        clients = [self._client(account).live() for account in ACCOUNTS]
        asking = asyncio.gather(*clients, self.troubles.run())
        await asyncio.sleep(FAULTY_SECONDS)
        self.weather.calm = self.services.provider.kindly = True
        witness = Witness(self.log, self.database, self.services.provider.posts, self.accepted)
        try:
            async with asyncio.timeout(CALM_SECONDS_MAX):
                await asking
                await self._come_to_rest(witness)
        except TimeoutError as error:
            left = self.database.now(next_looks.left_at_rest)
            position, end = await self.services.position(), self.services.broker.end
            raise TimeoutError(f"rows at {position} of {end}, left for ever: {left}") from error
        await asyncio.sleep(3)
        *others, projector = services  # It projects what the others have written to their end.
        await _end(*others)
        await asyncio.sleep(3)
        await _end(projector)
        await self._check(witness)

    def _begin(self) -> list[asyncio.Task[None]]:
        services = self.services
        lives = [services.dispatcher, services.ingestor]
        lives += [services.dispatcher] * (self.dice.random() < 0.5)
        lives += [services.ingestor] * (self.dice.random() < 0.2)
        lives.append(services.projector)
        return [
            asyncio.create_task(services.keep_alive(f"{each.__name__} {number}", each))
            for number, each in enumerate(lives)
        ]

    async def _see_fairness(self) -> None:
        big, small = (self._client(AccountId(each)) for each in ("big", "small"))
        self.fairness = Fairness(big, small)
        await self.fairness.run()

    async def _come_to_rest(self, witness: Witness) -> None:
        if self._is_fairness_seen:
            await self._see_fairness()
        while not (await self._is_at_rest() and await witness.all_ended()):
            await asyncio.sleep(1)
        if self.dice.random() < 0.2:
            await self.troubles.project_anew()  # While nothing else happens.

    async def _is_at_rest(self) -> bool:
        rows = self.database.now
        is_whole = await self.services.position() == self.services.broker.end
        return is_whole and not rows(next_looks.left_at_rest)

    async def _check(self, witness: Witness) -> None:
        await check(witness)
        commits = await witness.commits()
        next_looks.no_attempt_is_given_up_that_is_known(commits)
        next_looks.what_nobody_waits_for_was_cancelled(commits)
        next_looks.what_was_deleted_is_removed(commits)
        lost = self.database.now(next_looks.without_a_look)
        assert not lost, f"nobody looks at {lost} again"
        self.services.broker.acts.check()
        assert not self.services.provider.broken, self.services.provider.broken
        if self.fairness is not None:
            self.fairness.check(commits)

    def _client(self, account: AccountId) -> Client:
        process = Process(self.weather, "client")
        self.services.living.add(process)
        return Client(
            account,
            self.dice,
            FaultyLog(self.services.broker, process),
            self.database,
            self.changes,
            self.services.vault(),
            self.accepted,
            OWNERS.get(account),
        )


async def _end(*services: asyncio.Task[None]) -> None:
    for service in services:
        service.cancel()
    await asyncio.gather(*services, return_exceptions=True)


def simulate(seed: int, database: MemoryDatabase) -> World:
    """Run one world to its end; raise AssertionError or TimeoutError when something was lost."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    random.seed(seed)
    database.clear()
    loop = VirtualLoop()
    loop.set_exception_handler(lambda *_: None)  # A process that died is told by its own life.
    dice = random.Random(seed)
    clock.use(loop.now, dice.randbytes)
    world = World(seed, database, loop)
    try:
        run(world.live(), loop)
    finally:
        clock.use()
    return world


def main() -> None:
    seed = int(sys.argv[1])
    world = simulate(seed, MemoryDatabase())
    end, seen = world.services.broker.end, dict(+world.came_about)
    print(f"seed {seed}: {len(world.accepted)} jobs, {end} commits, {seen}, whole")


if __name__ == "__main__":
    main()
