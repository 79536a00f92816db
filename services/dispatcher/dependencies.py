"""What the dispatcher's handlers may ask for."""

import asyncio

from msgspec import Struct, field

from adapters.attempt_tokens import AttemptTokens
from adapters.database import Database
from adapters.event_log import EventLog
from adapters.fal import FalGateway
from adapters.job_desk import JobDesk
from adapters.vault import Vault
from contracts.ids import JobId
from services.dispatcher.settings import DispatcherSettings

POSTS_AT_ONCE_MAX = 64
PAUSE_SECONDS = 10.0


class Breaker(Struct):
    """Open while the provider refuses the operator: jobs wait, nothing fails."""

    open_until: float = 0.0
    words: str = ""

    def trip(self, words: str) -> None:
        self.open_until = asyncio.get_running_loop().time() + PAUSE_SECONDS
        self.words = words

    def close(self) -> None:
        self.open_until, self.words = 0.0, ""

    @property
    def is_open(self) -> bool:
        return asyncio.get_running_loop().time() < self.open_until


class Dispatcher(Struct):
    """`active` are the jobs that this process is working on right now."""

    settings: DispatcherSettings
    log: EventLog
    database: Database
    vault: Vault
    jobs: JobDesk
    gateway: FalGateway
    tokens: AttemptTokens
    breaker: Breaker = field(default_factory=Breaker)
    active: set[JobId] = field(default_factory=set)
    at_provider: int = 0  # As of the last sweep: jobs that the provider has, or may have.
    posts: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(POSTS_AT_ONCE_MAX))

    @property
    def room(self) -> int:
        """How many more jobs the provider may get from here."""
        return self.settings.provider_concurrency_max - self.at_provider - len(self.active)
