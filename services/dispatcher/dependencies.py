"""What the dispatcher's handlers may ask for."""

import asyncio

import httpx
import structlog
from msgspec import Struct, field
from prometheus_client import Gauge

from adapters.attempt_tokens import AttemptTokens
from adapters.background import Background
from adapters.buckets import LazyBucket
from adapters.database import Database
from adapters.endpoint_secrets import EndpointSecrets
from adapters.fal import FalGateway
from adapters.fresh_rows import FreshRows
from adapters.peers import Peers
from adapters.vault import Vault
from application.event_log import EventLog
from application.job_commands import JobCommandHandler
from application.run_commands import RunCommandHandler
from contracts.ids import JobId
from domain.breaker import BreakerState
from services.dispatcher.settings import DispatcherSettings

logger = structlog.get_logger()

POSTS_AT_ONCE_MAX = 64
SUBMISSIONS_AT_ONCE_MAX = 256  # Jobs whose page is read, that wait for a slot, or are posted.
REFILL_AT = 192  # The sweep is woken below it: a query for each submission that ends costs more.
BREAKER = Gauge("darkroom_breaker_open", "1 while jobs wait because of the provider")


class Breaker(Struct):
    """The rules of domain.breaker, on the event loop's clock, with an alarm and a metric."""

    state: BreakerState = BreakerState()

    def refused(self, words: str) -> None:
        self._become(self.state.after_refusal(words, _clock()))

    def trouble(self, words: str) -> None:
        self._become(self.state.after_trouble(words, _clock()))

    def close(self) -> None:
        self._become(BreakerState())

    @property
    def alarm(self) -> str:
        return self.state.alarm

    @property
    def is_open(self) -> bool:
        return self.state.is_open(_clock())

    def limit(self, free_slots: int, under_way: int = 0) -> int:
        return self.state.limit(free_slots, under_way, _clock())

    def _become(self, after: BreakerState) -> None:
        if after.alarm and not self.alarm:
            logger.error("alarm", alarm=after.alarm)
        elif self.alarm and not after.alarm:
            logger.info("breaker_closed")
        self.state = after
        BREAKER.set(bool(after.alarm))


def _clock() -> float:
    return asyncio.get_running_loop().time()


class Dispatcher(Struct):
    """Each POST is a task of `posts`, which a shutdown waits for; other work belongs to
    `background`, and a shutdown cancels it.
    """

    settings: DispatcherSettings
    log: EventLog
    database: Database
    rows: FreshRows
    peers: Peers
    vault: Vault
    jobs: JobCommandHandler
    runs: RunCommandHandler
    gateway: FalGateway
    tokens: AttemptTokens
    secrets: EndpointSecrets
    customers: httpx.AsyncClient
    claims: LazyBucket
    background: Background = field(default_factory=Background)
    posts: Background = field(default_factory=Background)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    breaker: Breaker = field(default_factory=Breaker)
    active: set[JobId] = field(default_factory=set)  # Jobs that this process is submitting now.
    # Jobs of this process's part that the provider has, or may have: as a sweep last counted them
    # in the rows, and one more for each submission begun here since.
    at_provider: int = 0
    begun_since_count: set[JobId] = field(default_factory=set)  # Or under way at that count.
    # No slot was free for some jobs: the sweep, which will take them, is woken as others end.
    has_declined: bool = False
    # Sequence of the newest commit whose message came here. The messages of later jobs may still
    # come, so the sweep leaves these jobs to them.
    heard_up_to: int = 0
    runs_changed: asyncio.Event = field(default_factory=asyncio.Event)
    deliveries_changed: asyncio.Event = field(default_factory=asyncio.Event)
    submissions_changed: asyncio.Event = field(default_factory=asyncio.Event)
    post_slots: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(POSTS_AT_ONCE_MAX)
    )

    @property
    def free_slots(self) -> int:
        """How many more submissions this process may begin now. The jobs that the provider may
        have at once (PROVIDER_CONCURRENCY_MAX) are shared out among the dispatchers.
        """
        if self.stopping.is_set():
            return 0
        own = self.peers.share_of(self.settings.provider_concurrency_max) - self.at_provider
        under_way = len(self.active)
        return self.breaker.limit(min(own, SUBMISSIONS_AT_ONCE_MAX - under_way), under_way)

    def begin_submission(self, job: JobId) -> bool:
        """Note that this process submits the job; False when it does so already."""
        if job in self.active:
            return False
        self.active.add(job)
        self.begun_since_count.add(job)
        self.at_provider += 1
        return True

    def end_submission(self, job: JobId) -> None:
        self.active.discard(job)
        if self.has_declined and len(self.active) <= REFILL_AT:
            self.submissions_changed.set()
