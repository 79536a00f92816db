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
from services.dispatcher.settings import DispatcherSettings

logger = structlog.get_logger()

POSTS_AT_ONCE_MAX = 64
SUBMISSIONS_AT_ONCE_MAX = 256  # Jobs whose page is read, that wait for a slot, or are posted.
REFILL_AT = 192  # The sweep is woken below it: a query for each submission that ends costs more.
PAUSE_SECONDS, PAUSE_SECONDS_MAX = 10.0, 60.0
TROUBLES_MAX = 5
BREAKER = Gauge("darkroom_breaker_open", "1 while jobs wait because of the provider")


class Breaker(Struct):
    """Open while the provider refuses the operator, or is in trouble: jobs wait, nothing fails.

    After its pause one submission at a time tries whether it is over; each try that fails makes
    the pause longer.
    """

    open_until: float = 0.0
    alarm: str = ""  # For operators, with the provider's words; empty when all is well.
    troubles: int = 0  # Submissions in a row that the provider could not take, or left unanswered.
    pause_seconds: float = PAUSE_SECONDS

    def refused(self, words: str) -> None:
        """The provider refuses the operator's account."""
        self._open(f"the provider refuses the operator's account: {words}")

    def trouble(self, words: str) -> None:
        """The provider could not be reached, is broken, or took a POST and said nothing."""
        self.troubles += 1
        if self.troubles >= TROUBLES_MAX:
            self._open(f"the provider is in trouble: {words}")

    def close(self) -> None:
        if self.alarm:
            logger.info("breaker_closed")
        self.open_until, self.alarm, self.troubles = 0.0, "", 0
        self.pause_seconds = PAUSE_SECONDS
        BREAKER.set(0)

    @property
    def is_open(self) -> bool:
        return bool(self.alarm) and asyncio.get_running_loop().time() < self.open_until

    def limit(self, room: int, under_way: int = 0) -> int:
        """Return how much of the room may be used: nothing, one try, or all of it. What is under
        way is a try already.
        """
        if not self.alarm:
            return room
        return min(room, 0 if self.is_open or under_way else 1)

    def _open(self, alarm: str) -> None:
        clock = asyncio.get_running_loop().time()
        if not self.alarm:
            logger.error("alarm", alarm=alarm)
        elif clock >= self.open_until:
            self.pause_seconds = min(self.pause_seconds * 2, PAUSE_SECONDS_MAX)
        self.open_until = clock + self.pause_seconds
        self.alarm = alarm
        BREAKER.set(1)


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
