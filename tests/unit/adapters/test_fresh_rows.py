"""Fresh rows: nobody acts on rows that are older than the log, whatever was announced."""

import pytest
from sqlalchemy import Connection

from adapters.changes import Changes, NotThereYet
from adapters.event_log.memory import MemoryLog
from adapters.fresh_rows import FreshRows
from contracts.events import CreditsGranted
from contracts.subjects import account_subject
from read_models import positions
from tests.support.examples import ACCOUNT, commit
from tests.support.memory import MemoryDatabase
from tests.support.virtual_time import VirtualLoop, run


class Rows:
    def __init__(self) -> None:
        self.log, self.database = MemoryLog(), MemoryDatabase()
        self.changes = Changes(self._position)
        self.fresh = FreshRows(self.log, self.changes, self.database, positions.read)

    async def _position(self) -> int:
        return self.database.now(positions.read)

    async def append(self, count: int) -> None:
        for _ in range(count):
            granted = CreditsGranted(account_id=ACCOUNT, amount=1, reason="r")
            await self.log.append(account_subject(ACCOUNT), commit(granted), after=None)

    def project(self, before: int, after: int) -> None:
        def work(connection: Connection) -> None:
            if before == 0:
                positions.create(connection, "memory")
            positions.advance(connection, before, after)

        self.database.now(work)


def test_rows_that_went_back_unannounced_are_not_acted_on() -> None:
    async def play() -> None:
        rows = Rows()
        await rows.append(5)
        rows.project(0, 5)
        assert await rows.fresh.read(positions.read) == 5
        rows.database.clear()  # They are made anew, and nobody has heard of it yet.
        rows.project(0, 3)
        with pytest.raises(NotThereYet):
            await rows.fresh.read(positions.read)
        with pytest.raises(NotThereYet):  # Now it is known that they went back.
            await rows.changes.wait_for(5)
        rows.project(3, 5)
        assert await rows.fresh.read(positions.read) == 5

    run(play(), VirtualLoop())
