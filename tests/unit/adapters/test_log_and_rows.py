"""The log and the read models: the log has to be the one that the rows were made from."""

from adapters.log_and_rows import expect_mark
from contracts.commit import Mark
from read_models import positions
from tests.support.memory import MemoryDatabase
from tests.support.memory_log import MemoryLog


async def test_the_log_is_checked_against_the_commit_that_the_rows_are_at() -> None:
    log, database = MemoryLog(), MemoryDatabase()
    await expect_mark(log, database, positions.find)
    assert log.expected == Mark("memory", 0)
    database.now(lambda connection: positions.create(connection, "memory"))
    database.now(lambda connection: positions.advance(connection, 0, 5, "c"))
    await expect_mark(log, database, positions.find)
    assert log.expected == Mark("memory", 5, "c")
