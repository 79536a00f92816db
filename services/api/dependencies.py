"""What the api's handlers may ask for."""

import asyncio
from collections.abc import Callable
from typing import TypeVar
from weakref import WeakValueDictionary

from litestar.di import NamedDependency
from litestar.params import SkipValidation
from msgspec import Struct, field
from nats.aio.client import Client
from sqlalchemy import Connection

from adapters.changes import Changes
from adapters.database import Database
from adapters.endpoint_secrets import EndpointSecrets
from adapters.event_log.jetstream import JetStreamLog
from adapters.fingerprints import Fingerprints
from adapters.provider_progress import ProviderProgress
from adapters.storage import Storage
from adapters.usage import Usage
from adapters.vault import Vault
from application.account_commands import AccountCommandHandler
from application.job_commands import JobCommandHandler
from application.run_commands import RunCommandHandler
from contracts.cursor import BadCursor, Cursor, parse_cursor
from contracts.ids import AccountId, BadId, JobId, job_id
from contracts.subjects import account_subject
from domain.refusals import Refused
from read_models import jobs, waiting_jobs
from read_models.jobs import Job
from services.api.handlers.callers import Authenticator
from services.api.handlers.tickets import Tickets
from services.api.settings import ApiSettings

T = TypeVar("T")
Found = TypeVar("Found")
# A handler's parameter that Litestar fills with the dependency of the same name.
Injected = NamedDependency[SkipValidation[T]]
ADMISSION_SECONDS = 1.0
BYTES_TO_END_MAX = 24 * 1024  # Of log for a job to end: mostly 4 KB, 19 if the provider is busy.
WRITERS_REMEMBERED_MAX = 50_000
LISTS_AT_ONCE = 4  # How many lists of one account are made at once.
NO_SUCH_JOB = "there is no such job in this account"

Slots = WeakValueDictionary[tuple[AccountId, str], asyncio.Semaphore]


class Api(Struct):
    """The api's parts, and the reads that several handlers share."""

    settings: ApiSettings
    client: Client
    log: JetStreamLog
    database: Database
    storage: Storage
    vault: Vault
    changes: Changes
    accounts: AccountCommandHandler
    jobs: JobCommandHandler
    runs: RunCommandHandler
    usage: Usage
    secrets: EndpointSecrets
    fingerprints: Fingerprints
    progress: ProviderProgress
    authenticator: Authenticator
    tickets: Tickets
    written: dict[AccountId, int] = {}  # The sequence of the account's newest write made here.
    waits: dict[str, int] = {}  # Token id -> its requests that wait for a change.
    slots: Slots = field(default_factory=WeakValueDictionary)
    admission_checked_at: float = -1e9
    admission_open: bool = True

    def cursor(self, sequence: int) -> str:
        return str(Cursor(self.log.epoch, sequence))

    def as_of(self) -> str:
        return self.cursor(self.changes.position)

    def note_write(self, account: AccountId, sequence: int) -> None:
        """Remember the account's newest write through this process: its next reads wait for it."""
        if len(self.written) > WRITERS_REMEMBERED_MAX:
            self.written.clear()
        self.written[account] = max(sequence, self.written.get(account, 0))

    def list_slots(self, account: AccountId, purpose: str = "lists") -> asyncio.Semaphore:
        """Return what lets only a few of an account's lists be made at once: an account that asks
        for many at once waits for itself, and no other account waits for it.
        """
        slots = self.slots.get((account, purpose))
        if slots is None:
            slots = self.slots[account, purpose] = asyncio.Semaphore(LISTS_AT_ONCE)
        return slots

    def count_requests(self, token_id: str, weight: int = 1) -> None:
        """Count a request, or as many as it stands for; raise Refused `rate_limited`."""
        self.usage.take(f"token:{token_id}", self.settings.account_reads_per_minute, weight)

    def count_work(self, account: AccountId) -> None:
        """Count a request that causes writes; raise Refused `rate_limited`."""
        self.usage.take(f"work:{account}", self.settings.account_requests_per_minute)

    async def wait_until_current(self, account: AccountId, min_as_of: str | None = None) -> None:
        """Wait until reads are at least as new as the account's writes through this process, as
        `min_as_of`, and as whatever was answered before: rows that are being rebuilt are older.
        """
        wanted = max(self.written.get(account, 0), self.changes.needed)
        if min_as_of:
            wanted = max(wanted, self.sequence_of(min_as_of))
        if wanted > self.changes.rows_at:
            await self.changes.wait_for(wanted)

    def sequence_of(self, cursor: str) -> int:
        try:
            parsed = parse_cursor(cursor)
        except BadCursor as error:
            raise Refused("cursor_invalid", str(error)) from None
        if parsed.epoch != self.log.epoch:
            raise Refused("cursor_invalid", "the cursor is of the log before a restore")
        return parsed.sequence

    async def job_of(self, account: AccountId, text: str, kind: str | None = None) -> Job:
        """Return the account's job, of this kind if one is given; raise Refused `not_found` for
        any other or a deleted one. Before a miss is answered, the log is asked: it may know more.
        """
        try:
            wanted = job_id(text)
        except BadId:
            raise Refused("not_found", NO_SUCH_JOB) from None
        found = await self.newest_of(account, lambda connection: jobs.find(connection, wanted))
        if found is None or found.account_id != account or found.deleted:
            raise Refused("not_found", NO_SUCH_JOB)
        if kind is not None and found.kind != kind:
            raise Refused("not_found", NO_SUCH_JOB)
        return found

    async def newest_of(
        self, account: AccountId, look: Callable[[Connection], Found | None]
    ) -> Found | None:
        """Read; if nothing is found, read again when the rows have reached the last commit."""
        found = await self.database.read(look)
        if found is None and (last := await self.log.last(account_subject(account))) is not None:
            await self.changes.wait_for(last.sequence)
            found = await self.database.read(look)
        return found

    async def jobs_by_id(self, wanted: list[JobId]) -> dict[JobId, Job]:
        return await self.database.read(jobs.find_all, wanted)

    async def take_work(self, account: AccountId) -> None:
        """Let in one request that makes the log grow; raise Refused `rate_limited`, `log_full`.

        Cancelling, revoking and removing do not ask: they free something or protect somebody.
        """
        self.count_work(account)
        await self.check_log_capacity()

    async def check_log_capacity(self) -> None:
        """Refuse new work while the log's free space is needed for the jobs in flight to end."""
        clock = asyncio.get_running_loop().time()
        if clock - self.admission_checked_at > ADMISSION_SECONDS:
            size, limit = await self.log.fill()
            limit = limit if limit > 0 else self.settings.log_max_bytes
            open_jobs = await self.database.read(waiting_jobs.count_open)
            kept_free = max(self.settings.log_reserve_bytes, open_jobs * BYTES_TO_END_MAX)
            self.admission_open = size < limit - kept_free
            self.admission_checked_at = clock
        if not self.admission_open:
            raise Refused("log_full", "the log is nearly full; jobs in flight still end")
