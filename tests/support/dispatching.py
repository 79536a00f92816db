"""A dispatcher over a log, a store and rows in memory, and a provider that does as it is told."""

from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any

import httpx
import msgspec
from msgspec import structs

import read_models
from adapters import fal
from adapters.attempt_tokens import AttemptTokens
from adapters.changes import Changes
from adapters.fresh_rows import FreshRows
from adapters.peers import Peers
from adapters.vault import Vault
from application import clock
from application.clock import now
from application.command_handler import Loaded
from application.job_commands import JobCommandHandler, LoadedJob
from application.run_commands import RunCommandHandler
from contracts.commit import Recorded
from contracts.events import AnyEvent, JobRequested
from contracts.ids import JobId
from contracts.subjects import Subject, account_subject
from domain import job_kinds
from domain.job import requested as first_state
from read_models import positions
from services.dispatcher.dependencies import Dispatcher
from services.dispatcher.posting import PendingSubmission
from services.dispatcher.settings import DispatcherSettings
from tests.support.examples import ACCOUNT, a_job_id, commit, requested, reserved
from tests.support.memory import MemoryDatabase, MemoryKeyStore, MemoryStorage
from tests.support.memory_log import MemoryLog
from tests.support.virtual_time import VirtualLoop, run

MASTER_KEY = bytes(range(32))
ACCEPTED = fal.SubmissionAccepted("request-1", "https://s", "https://r", "https://c")
BUSY = fal.SubmissionRefused("HTTP 429: busy", None, is_busy=True)
Answer = Callable[[], Awaitable[fal.SubmissionOutcome]]


class Provider:
    """Stands where the gateway stands; `answer` is what each POST gets."""

    def __init__(self) -> None:
        self.posts: list[dict[str, Any]] = []
        self.cancelled: list[str] = []
        self.answer: Answer = self.accept

    async def accept(self) -> fal.SubmissionOutcome:
        return ACCEPTED

    async def submit(
        self, _endpoint: str, arguments: dict[str, Any], _url: str
    ) -> fal.SubmissionOutcome:
        self.posts.append(arguments)
        return await self.answer()

    async def cancel(self, _endpoint: str, found: fal.ProviderRequest) -> str | None:
        self.cancelled.append(found.request_id)
        return "202 requested"


class DispatchingWorld:
    def __init__(self, customers: httpx.AsyncBaseTransport | None = None, **settings: Any) -> None:
        self.log = MemoryLog()
        self.database = MemoryDatabase()
        self.database.now(lambda connection: positions.create(connection, "memory"))
        self.storage = MemoryStorage()
        self.vault = Vault(MASTER_KEY, MemoryKeyStore(), self.storage)
        self.provider = Provider()
        self._projected = 0
        provider: Any = self.provider
        nothing: Any = None
        peers, changes = Peers("dispatcher", None), Changes(self._position)
        self.dispatcher = Dispatcher(
            DispatcherSettings(
                provider="simulator", webhook_base_url="http://127.0.0.1:1", **settings
            ),
            self.log,
            self.database,
            FreshRows(self.log, changes, self.database, positions.read, peers),
            peers,
            self.vault,
            JobCommandHandler(self.log),
            RunCommandHandler(self.log),
            provider,
            AttemptTokens(MASTER_KEY),
            nothing,
            httpx.AsyncClient(transport=customers),
            nothing,
        )

    async def _position(self) -> int:
        return self.database.now(positions.read)

    async def add(self, subject: Subject, *events: AnyEvent) -> Recorded:
        await self.log.append(subject, structs.replace(commit(*events), at=now()), after=None)
        found = await self.log.read(await self.log.end())
        assert found is not None
        return found

    def project(self, up_to: int | None = None) -> None:
        """Bring the rows up to the log's end, or to a sequence."""
        entries = [each.recorded() for each in self.log.entries()[self._projected : up_to]]
        before, self._projected = self._projected, self._projected + len(entries)

        def work(connection: Any) -> None:
            positions.advance(connection, before, self._projected)
            read_models.apply(connection, entries)

        self.database.now(work)

    async def asked(
        self, deadline_at: datetime | None = None, **fields: Any
    ) -> tuple[LoadedJob, PendingSubmission, Recorded]:
        """Request one infograph; return it as the fast path has it."""
        kind = job_kinds.parse("infograph", {"prompt": "reefs", **fields})
        event = requested(
            a_job_id(),
            input=await self.vault.seal(ACCOUNT, msgspec.json.encode(kind)),
            deadline_at=deadline_at or now() + timedelta(seconds=900),
        )
        recorded = await self.add(account_subject(ACCOUNT), reserved(event.job_id), event)
        loaded = Loaded(first_state(event, recorded.sequence), 0)
        return (
            loaded,
            PendingSubmission(event.kind, event.input, causation=recorded.commit.id),
            recorded,
        )

    def told(self, job: JobId) -> list[str]:
        """Return the names of the events about a job, in the log's order."""
        return [
            type(event).__name__
            for entry in self.log.entries()
            for event in entry.recorded().commit.events
            if getattr(event, "job_id", None) == job and not isinstance(event, JobRequested)
        ][1:]  # Its hold is of no interest here.

    def bytes_of(self, job: JobId) -> int:
        """Return what the job's own commits take in the log."""
        return sum(len(each.body) for each in self.log.entries() if each.subject.endswith(job))


Play = Callable[[DispatchingWorld], Coroutine[Any, Any, None]]


def played(play: Play, **settings: Any) -> None:
    """Play it in virtual time, which is the clock's too."""
    loop = VirtualLoop()
    clock.use(loop.now)
    try:
        run(play(DispatchingWorld(**settings)), loop)
    finally:
        clock.use()
