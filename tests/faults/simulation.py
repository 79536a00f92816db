"""The whole of Darkroom in one process, on virtual time, with a seed that decides what breaks.

`python -m tests.faults.simulation SEED` repeats one run and tells what it wrote.
"""

import asyncio
import contextlib
import random
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, cast

import structlog

from adapters import clock
from adapters.changes import Changes, NotThereYet
from adapters.event_log import LogUnavailable
from adapters.event_log.memory import MemoryLog
from adapters.fal import FalGateway
from adapters.fresh_rows import FreshRows, expect_mark
from adapters.job_desk import JobDesk
from adapters.peers import Peers
from adapters.run_desk import RunDesk
from adapters.sweep import Sweep
from adapters.vault import MemoryKeyStore, Vault
from contracts.commit import Recorded
from contracts.events import ResultReceived
from contracts.events.evidence import Via
from contracts.ids import AccountId, JobId
from domain.provider_results import read_envelope
from read_models import positions
from services.dispatcher.dependencies import Dispatcher
from services.dispatcher.handlers.advance_runs import runs
from services.dispatcher.handlers.ask_witness import ask_witness, pause_of
from services.dispatcher.handlers.submit_jobs import submit_jobs
from services.dispatcher.handlers.sweep_waiting import sweeps as dispatcher_sweeps
from services.dispatcher.settings import DispatcherSettings
from services.ingestor.dependencies import Ingestor
from services.ingestor.handlers.sweep_waiting import sweeps as ingestor_sweeps
from services.ingestor.settings import IngestorSettings
from services.ingestor.settling import record, settle
from services.projector.dependencies import Projector
from services.projector.handlers.project_commits import project_commits
from tests.faults.clients import Client
from tests.faults.invariants import Witness, check
from tests.faults.processes import (
    Consumer,
    Crash,
    FaultyLog,
    Gateway,
    Process,
    Tokens,
    Weather,
    live_together,
)
from tests.faults.scripted_provider import ScriptedProvider, Taken
from tests.support.memory import MemoryDatabase, MemoryStorage
from tests.support.virtual_time import VirtualLoop, run

ACCOUNTS = (AccountId("one"), AccountId("two"))
FAULTY_SECONDS = 30.0
CALM_SECONDS_MAX = 240.0
_DEADLINE = timedelta(seconds=90)
RESTART_SECONDS = 1.0
MASTER_KEY = bytes(32)
DISPATCHER = DispatcherSettings(
    provider="simulator",
    webhook_base_url="http://127.0.0.1",
    submit_unknown_seconds=8.0,
    submit_attempts_max=3,
)
INGESTOR = IngestorSettings(
    provider="simulator",
    artifacts="link",
    fal_media_hosts="media",
    webhook_base_url="http://127.0.0.1",
    reconcile_after_seconds=6.0,
    reconcile_every_seconds=2.0,
)


class World:
    def __init__(self, seed: int, database: MemoryDatabase, loop: VirtualLoop) -> None:
        self.dice = random.Random(seed)
        self.weather = Weather(self.dice)
        self.log = MemoryLog()
        self.requests = Consumer(self.log, "log.account.", self.weather)
        self.results = Consumer(self.log, "log.evidence.result", self.weather)
        self.database = database
        self.storage = MemoryStorage()
        self.keys = MemoryKeyStore()
        self.provider = ScriptedProvider(self.dice, self._deliver)
        self.loop = loop
        self.accepted: set[JobId] = set()
        self.changes = Changes(self._position)
        self.ingestors: list[Ingestor] = []

    async def _position(self) -> int:
        return self.database.now(positions.read)

    # The services, each life of which ends with a crash and is followed by another.

    async def keep_alive(self, name: str, live: Callable[[Process], Awaitable[None]]) -> None:
        while True:
            process = Process(self.weather, name)
            tasks = asyncio.ensure_future(live(process))
            while not process.dead and not tasks.done():
                await asyncio.sleep(0.2)
            tasks.cancel()
            await asyncio.gather(tasks, return_exceptions=True)
            await asyncio.sleep(RESTART_SECONDS)

    async def dispatcher(self, process: Process) -> None:
        log = FaultyLog(self.log, process)
        vault = Vault(MASTER_KEY, self.keys, self.storage)
        gateway = cast("FalGateway", Gateway(self.provider, process))
        nobody: Any = None  # No customer is told here.
        dispatcher = Dispatcher(
            DISPATCHER,
            log,
            self.database,
            FreshRows(log, Changes(self._position), self.database, positions.read),
            Peers("dispatcher", None),
            vault,
            JobDesk(log),
            RunDesk(log),
            gateway,
            Tokens(MASTER_KEY),
            nobody,
            nobody,
            nobody,
        )

        async def listing() -> None:
            while True:
                with contextlib.suppress(LogUnavailable, NotThereYet):
                    await ask_witness(dispatcher)
                await asyncio.sleep(pause_of(dispatcher))

        await expect_mark(log, self.database, positions.find)
        try:
            await live_together(
                process,
                *(_kept(sweep) for sweep in dispatcher_sweeps(dispatcher).values()),
                _kept(runs(dispatcher)),
                listing(),
                self.requests.run(lambda recorded: submit_jobs(dispatcher, recorded)),
            )
        finally:
            await dispatcher.background.drain(0)
            await dispatcher.posts.drain(0)

    async def ingestor(self, process: Process) -> None:
        log = FaultyLog(self.log, process)
        nothing: Any = None
        ingestor = Ingestor(
            settings=INGESTOR,
            log=log,
            database=self.database,
            rows=FreshRows(log, Changes(self._position), self.database, positions.read),
            peers=Peers("ingestor", None),
            storage=self.storage,
            vault=Vault(MASTER_KEY, self.keys, self.storage),
            jobs=JobDesk(log),
            gateway=cast("FalGateway", Gateway(self.provider, process)),
            tokens=Tokens(MASTER_KEY),
            signatures=nothing,
            media=nothing,
            artifact_key=MASTER_KEY,
        )

        async def handle(recorded: Recorded) -> None:
            for event in recorded.commit.events:
                if isinstance(event, ResultReceived):
                    await settle(ingestor, event, recorded.commit.id)

        self.ingestors = [ingestor]
        try:
            await live_together(
                process,
                *(_kept(sweep) for sweep in ingestor_sweeps(ingestor).values()),
                self.results.run(handle),
            )
        finally:
            self.ingestors = []

    async def projector(self, process: Process) -> None:
        log = FaultyLog(self.log, process)
        await live_together(process, project_commits(Projector(log, self.database, None)))

    async def _deliver(self, taken: Taken, body: bytes) -> None:
        """A webhook: recorded by whatever ingestor lives, or not at all."""
        if not self.ingestors:
            raise LogUnavailable("nobody listens")
        ingestor = self.ingestors[0]
        envelope = read_envelope(body)
        event = ResultReceived(
            job_id=taken.job,
            account_id=taken.account,
            attempt=taken.attempt,
            via=Via.WEBHOOK,
            request_id=taken.request_id,
            verdict=envelope.verdict,
            body=await ingestor.vault.seal(taken.account, body),
        )
        try:
            await record(ingestor, event)
        except Crash as crash:
            raise LogUnavailable("the ingestor died") from crash

    def _client(self, account: AccountId) -> Client:
        return Client(
            account,
            self.dice,
            FaultyLog(self.log, Process(self.weather, "client")),
            self.database,
            self.changes,
            Vault(MASTER_KEY, self.keys, self.storage),
            self.accepted,
        )

    async def live(self) -> None:
        """Faults for a while, then calm: everything that was accepted has to end."""
        lives = (self.dispatcher, self.ingestor, self.projector)
        services = [asyncio.create_task(self.keep_alive(each.__name__, each)) for each in lives]
        clients = [asyncio.create_task(self._client(account).live()) for account in ACCOUNTS]
        await asyncio.sleep(FAULTY_SECONDS)
        self.weather.calm = self.provider.kindly = True
        await asyncio.wait_for(asyncio.gather(*clients), CALM_SECONDS_MAX)
        witness = Witness(self.log, self.database, self.provider.posts, self.accepted)
        async with asyncio.timeout(CALM_SECONDS_MAX):
            while not await witness.all_ended():
                await asyncio.sleep(1)
        await asyncio.sleep(3)
        for service in services:
            service.cancel()
        await asyncio.gather(*services, return_exceptions=True)
        await check(witness)


async def _kept(sweep: Sweep[Any]) -> None:
    """Sweep for ever, as the background loops of a service do."""
    while True:
        try:
            await sweep.run()
        except (LogUnavailable, NotThereYet):
            await asyncio.sleep(0.5)


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
    print(f"seed {seed}: {len(world.accepted)} jobs, {asyncio.run(world.log.end())} commits, whole")


if __name__ == "__main__":
    main()
