"""An api over rows in memory, and streams that are listened to on virtual time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import msgspec

import read_models
from adapters.changes import Changes
from adapters.vault import Vault
from application import clock
from contracts.announcement import Announcement
from contracts.commit import Commit, Recorded
from contracts.cursor import Cursor
from contracts.events import AccessTokenIssued, AccessTokenRevoked, CreditsGranted
from contracts.events.account import Role
from contracts.ids import CommitId, TokenId
from contracts.job_state import JobState
from contracts.subjects import Subject, account_subject
from read_models import positions
from services.api.dependencies import Api
from services.api.frames import Frame
from services.api.handlers.callers import Authenticator, Caller
from services.api.settings import ApiSettings
from services.api.streams import Reader, Streams
from tests.support import examples
from tests.support.examples import ACCOUNT
from tests.support.memory import MemoryDatabase, MemoryKeyStore, MemoryStorage
from tests.support.memory_log import MemoryLog
from tests.support.virtual_time import VirtualLoop, run

CALLER = Caller(ACCOUNT, Role.USER, "t-1")


class Projected:
    """An api over rows in memory, and a projector by hand that may lose its announcements."""

    def __init__(self) -> None:
        self.database = MemoryDatabase()
        self.position = 0
        self.database.now(lambda connection: positions.create(connection, "memory"))
        nothing = cast("Any", None)
        self.changes = Changes(self._read)
        self.api = Api(
            settings=ApiSettings(),
            client=nothing,
            log=cast("Any", MemoryLog()),
            database=cast("Any", self.database),
            storage=MemoryStorage(),
            vault=Vault(bytes(32), MemoryKeyStore(), MemoryStorage()),
            changes=self.changes,
            accounts=nothing,
            jobs=nothing,
            runs=nothing,
            usage=nothing,
            secrets=nothing,
            fingerprints=nothing,
            progress=nothing,
            authenticator=Authenticator(
                cast("Any", self.database), self.changes, cast("Any", MemoryLog())
            ),
            tickets=nothing,
        )
        self.authenticator = self.api.authenticator
        self.streams = Streams(self.api)

    async def _read(self) -> int:
        return self.position

    async def project(
        self, subject: Subject, *events: Any, tell: bool = True, job: JobState | None = None
    ) -> None:
        previous, self.position = self.position, self.position + 1
        commit = Commit(id=CommitId(f"c{self.position}"), at=clock.now(), events=events, job=job)
        recorded = Recorded(self.position, subject, commit)

        def work(connection: Any) -> Any:
            positions.advance(connection, previous, self.position)
            return read_models.apply(connection, [recorded])

        rows = self.database.now(work)
        if tell:
            told = Announcement("memory", previous, self.position, rows)
            await self.changes._receive(cast("Any", _Message(told)))

    async def granted(self, amount: int = 1, *, tell: bool = True) -> None:
        event = CreditsGranted(account_id=ACCOUNT, amount=amount, reason="r")
        await self.project(account_subject(ACCOUNT), event, tell=tell)

    async def asked(self, *jobs: Any, tell: bool = True) -> None:
        events = [
            each for job in jobs for each in (examples.reserved(job), examples.requested(job))
        ]
        await self.project(account_subject(ACCOUNT), *events, tell=tell)

    async def issued(self, token: str = CALLER.token_id) -> None:
        event = AccessTokenIssued(
            account_id=ACCOUNT, token_id=TokenId(token), sha256=token, role=Role.USER
        )
        await self.project(account_subject(ACCOUNT), event)

    async def revoked(self, token: str = CALLER.token_id, *, tell: bool = True) -> None:
        event = AccessTokenRevoked(account_id=ACCOUNT, token_id=TokenId(token))
        await self.project(account_subject(ACCOUNT), event, tell=tell)


class _Message:
    def __init__(self, told: Announcement) -> None:
        self.data = msgspec.json.encode(told)


Play = Callable[[Projected], Awaitable[None]]


def played(play: Play) -> None:
    async def main() -> None:
        world = Projected()
        try:
            await play(world)
        finally:
            world.streams.stop()

    loop = VirtualLoop()
    clock.use(loop.now)
    try:
        run(main(), loop)
    finally:
        clock.use()


async def opened(
    world: Projected, after: Cursor | None = None, **changes: Any
) -> tuple[Reader, list[Frame]]:
    reader = Reader(changes.get("caller", CALLER), after, changes.get("job"))
    await world.streams.open(reader)
    told: list[Frame] = []

    async def listen() -> None:
        async for frame in world.streams.frames(reader):
            told.extend([frame] if frame is not None else [])

    if changes.get("listens", True):
        task = asyncio.create_task(listen())
        task.add_done_callback(lambda _: world.streams.leave(reader))
    await asyncio.sleep(0.01)
    return reader, told
