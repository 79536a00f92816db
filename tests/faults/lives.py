"""The services' lives: each is put together as its app does it, over the simulated outside."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

import httpx
from nats.aio.client import Client as NatsClient

from adapters.attempt_tokens import AttemptTokens
from adapters.buckets import LazyBucket
from adapters.changes import Changes
from adapters.database import P, Work
from adapters.endpoint_secrets import EndpointSecrets
from adapters.fal import FalGateway
from adapters.fresh_rows import FreshRows
from adapters.log_and_rows import expect_mark
from adapters.peers import Peers
from adapters.vault import Vault
from application.event_log import LogUnavailable
from application.job_commands import JobCommandHandler
from application.run_commands import RunCommandHandler
from read_models import positions
from services.dispatcher.app import keep_sweeping as keep_dispatching
from services.dispatcher.dependencies import Dispatcher
from services.dispatcher.handlers.submit_jobs import submit_jobs
from services.dispatcher.settings import DispatcherSettings
from services.ingestor.app import keep_sweeping as keep_ingesting
from services.ingestor.dependencies import Ingestor
from services.ingestor.handlers.receive_webhooks import WebhookDelivery, take_in
from services.ingestor.handlers.settle_results import settle_results
from services.ingestor.settings import IngestorSettings
from services.ingestor.signatures import Rejection
from services.projector.dependencies import Projector
from services.projector.handlers.project_commits import project_commits
from tests.faults.broker import Broker, Claims, Consumer, FaultyLog, Wire
from tests.faults.outside import Customers, Gateway, Secrets
from tests.faults.processes import Crash, Process, Weather
from tests.faults.scripted_provider import ScriptedProvider, Taken
from tests.support.memory import MemoryDatabase, MemoryKeyStore, MemoryStorage

T = TypeVar("T")
MASTER_KEY = bytes(32)
RESTART_SECONDS = 1.0
SUBMIT_UNKNOWN_SECONDS = 8.0
PROVIDER_CONCURRENCY_MAX = 6
DISPATCHER = DispatcherSettings(
    provider="simulator",
    webhook_base_url="http://127.0.0.1",
    submit_unknown_seconds=SUBMIT_UNKNOWN_SECONDS,
    submit_attempts_max=3,
    provider_concurrency_max=PROVIDER_CONCURRENCY_MAX,
)
INGESTOR = IngestorSettings(
    provider="simulator",
    artifacts="link",
    fal_media_hosts="media",
    fal_webhooks="unsigned",
    webhook_base_url="http://127.0.0.1",
    reconcile_after_seconds=6.0,
    reconcile_every_seconds=2.0,
)


class Services:
    """What the services share, and who of them lives."""

    def __init__(self, weather: Weather, database: MemoryDatabase) -> None:
        self.weather, self.database = weather, database
        self.broker = Broker(weather)
        self.requests = Consumer(self.broker, "log.account.")
        self.results = Consumer(self.broker, "log.evidence.result")
        self.provider = ScriptedProvider(weather.dice, self._deliver)
        self.storage, self.keys = MemoryStorage(), MemoryKeyStore()
        self.living: set[Process] = set()
        self.projector_stands_until = 0.0
        self._ingestors: list[tuple[Process, Ingestor]] = []

    async def position(self) -> int:
        return self.database.now(positions.read)

    async def keep_alive(self, name: str, live: Callable[[Process], Awaitable[None]]) -> None:
        """One life after the other, each of which may end in a crash."""
        while True:
            process = Process(self.weather, name)
            process.knows = await self.position()
            self.living.add(process)
            life = asyncio.ensure_future(live(process))
            try:
                while not process.dead and not life.done():
                    await asyncio.sleep(0.2)
            finally:
                process.dead = True
                life.cancel()
                await asyncio.gather(life, return_exceptions=True)
                self.living.discard(process)
            await asyncio.sleep(RESTART_SECONDS)

    async def connect(self, process: Process, service: str) -> tuple[FaultyLog, FreshRows, Peers]:
        log, wire = FaultyLog(self.broker, process), self.wire(process)
        await expect_mark(log, self.database, positions.find)
        changes = Changes(self.position)
        await changes.start(wire)
        peers = Peers(service, wire)
        peers.name = self.weather.dice.randbytes(8).hex()
        await peers.start()
        return log, FreshRows(log, changes, self.database, positions.read, peers), peers

    def wire(self, process: Process) -> NatsClient:
        return cast("NatsClient", Wire(self.broker, process))

    def vault(self) -> Vault:
        return Vault(MASTER_KEY, self.keys, self.storage)

    async def dispatcher(self, process: Process) -> None:
        log, rows, peers = await self.connect(process, "dispatcher")
        async with httpx.AsyncClient(
            transport=Customers(self.broker, process), trust_env=False
        ) as customers:
            dispatcher = Dispatcher(
                DISPATCHER,
                log,
                self.database,
                rows,
                peers,
                self.vault(),
                JobCommandHandler(log),
                RunCommandHandler(log),
                cast("FalGateway", Gateway(self.provider, self.broker, process)),
                AttemptTokens(MASTER_KEY),
                cast("EndpointSecrets", Secrets()),
                customers,
                cast("LazyBucket", Claims(self.broker, process)),
            )
            keep_dispatching(dispatcher)
            try:
                await self.requests.run(lambda recorded: submit_jobs(dispatcher, recorded))
            finally:
                process.dead = True
                await dispatcher.background.end_loops()
                await dispatcher.background.drain(0)
                await dispatcher.posts.drain(0)

    async def ingestor(self, process: Process) -> None:
        log, rows, peers = await self.connect(process, "ingestor")
        nothing: Any = None
        ingestor = Ingestor(
            settings=INGESTOR,
            log=log,
            database=self.database,
            rows=rows,
            peers=peers,
            storage=self.storage,
            vault=self.vault(),
            jobs=JobCommandHandler(log),
            gateway=cast("FalGateway", Gateway(self.provider, self.broker, process)),
            tokens=AttemptTokens(MASTER_KEY),
            signatures=nothing,
            media=nothing,
            artifact_key=MASTER_KEY,
        )
        keep_ingesting(ingestor)
        self._ingestors.append((process, ingestor))
        try:
            await self.results.run(lambda recorded: settle_results(ingestor, recorded))
        finally:
            process.dead = True
            self._ingestors.remove((process, ingestor))
            await ingestor.background.end_loops()

    async def projector(self, process: Process) -> None:
        database = ProjectorsDatabase(self, process)
        log = FaultyLog(self.broker, process)
        await project_commits(Projector(log, database, self.wire(process)))

    async def _deliver(self, taken: Taken, body: bytes) -> None:
        """A webhook: taken in by whatever ingestor lives, or not at all."""
        if not self._ingestors:
            raise LogUnavailable("nobody listens")
        process, ingestor = self.weather.dice.choice(self._ingestors)
        headers = {"x-fal-webhook-request-id": taken.request_id}
        delivery = WebhookDelivery(taken.job, taken.attempt, taken.token, headers, body)
        try:
            process.point()
            verdict = await take_in(ingestor, delivery)
        except Crash as crash:
            raise LogUnavailable("the ingestor died") from crash
        if verdict is Rejection.UNKNOWN_ATTEMPT:
            self.broker.acts.broken.append(f"a webhook of {taken.request_id} was not loaded")


class ProjectorsDatabase:
    """The rows as the projector writes them: it may die before and after, or stand still."""

    def __init__(self, services: Services, process: Process) -> None:
        self._services, self._process = services, process

    async def read(self, work: Work[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        return await self._services.database.read(work, *arguments, **named)

    async def write(self, work: Work[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        clock = asyncio.get_running_loop().time
        while (left := self._services.projector_stands_until - clock()) > 0:
            await asyncio.sleep(left)
        self._process.point()
        weather = self._services.weather
        await asyncio.sleep(weather.dice.choice((0.0, 0.0, 0.05, 0.4)))
        found = await self._services.database.write(work, *arguments, **named)
        self._process.knows = max(self._process.knows, await self._services.position())
        self._process.point()
        return found

    async def close(self) -> None:
        return
