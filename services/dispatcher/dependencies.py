"""What the dispatcher's handlers may ask for."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import structlog
from msgspec import Struct, field
from nats.js.kv import KeyValue
from prometheus_client import Gauge

from adapters.attempt_tokens import AttemptTokens
from adapters.database import Database
from adapters.endpoint_secrets import EndpointSecrets
from adapters.event_log import EventLog
from adapters.fal import FalGateway
from adapters.job_desk import JobDesk
from adapters.run_desk import RunDesk
from adapters.vault import Vault
from contracts.ids import JobId
from services.dispatcher.settings import DispatcherSettings

Claims = Callable[[], Awaitable[KeyValue]]
logger = structlog.get_logger()

POSTS_AT_ONCE_MAX = 64
PAUSE_SECONDS = 10.0
TROUBLES_MAX = 5
BREAKER = Gauge("darkroom_breaker_open", "1 while jobs wait because of the provider")


class Breaker(Struct):
    """Open while the provider refuses the operator, or is in trouble: jobs wait, nothing fails.

    After its pause one submission at a time tries whether it is over.
    """

    open_until: float = 0.0
    alarm: str = ""  # For operators, with the provider's words; empty when all is well.
    troubles: int = 0  # Submissions in a row that the provider could not take.

    def refused(self, words: str) -> None:
        """The provider refuses the operator's account."""
        self._open(f"the provider refuses the operator's account: {words}")

    def trouble(self, words: str) -> None:
        """The provider could not be reached, or is broken."""
        self.troubles += 1
        if self.troubles >= TROUBLES_MAX:
            self._open(f"the provider is in trouble: {words}")

    def close(self) -> None:
        if self.alarm:
            logger.info("breaker_closed")
        self.open_until, self.alarm, self.troubles = 0.0, "", 0
        BREAKER.set(0)

    def limit(self, room: int) -> int:
        """Return how much of the room may be used: nothing, one try, or all of it."""
        if not self.alarm:
            return room
        return min(room, 0 if asyncio.get_running_loop().time() < self.open_until else 1)

    def _open(self, alarm: str) -> None:
        if not self.alarm:
            logger.error("alarm", alarm=alarm)
        self.open_until = asyncio.get_running_loop().time() + PAUSE_SECONDS
        self.alarm = alarm
        BREAKER.set(1)


class Dispatcher(Struct):
    """`active` are the jobs that this process is working on right now."""

    settings: DispatcherSettings
    log: EventLog
    database: Database
    vault: Vault
    jobs: JobDesk
    runs: RunDesk
    gateway: FalGateway
    tokens: AttemptTokens
    secrets: EndpointSecrets
    customers: httpx.AsyncClient
    claims: Claims
    breaker: Breaker = field(default_factory=Breaker)
    active: set[JobId] = field(default_factory=set)
    at_provider: int = 0  # As of the last sweep: jobs that the provider has, or may have.
    runs_changed: asyncio.Event = field(default_factory=asyncio.Event)
    background: set[asyncio.Task[None]] = field(default_factory=set)
    deliveries_changed: asyncio.Event = field(default_factory=asyncio.Event)
    notifying: set[str] = field(default_factory=set)  # Deliveries under way from here.
    posts: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(POSTS_AT_ONCE_MAX))

    @property
    def room(self) -> int:
        """How many more jobs the provider may get from here, right now."""
        free = self.settings.provider_concurrency_max - self.at_provider
        return self.breaker.limit(free) - len(self.active)
