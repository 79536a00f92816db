"""What the projector says of itself: behind, stuck, or beside a log that is not its own."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client

from adapters.database import Database, open_database
from adapters.event_log.jetstream import EPOCH_KEY, FORMAT, FORMAT_KEY, JetStreamLog
from contracts.commit import Mark
from read_models import positions
from services.projector.dependencies import Projector
from services.projector.handlers import project_commits as project_commits_module
from services.projector.handlers.project_commits import look_at_end, project_commits
from tests.integration.test_projector import append, until_at
from tests.support.memory_log import MemoryLog
from tests.support.servers import nats_cluster
from tests.support.waiting import until


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = open_database(f"sqlite:///{tmp_path}/rows.sqlite3", read_only=False)
    yield opened
    await opened.close()


async def until_told(projector: Projector) -> None:
    await until(lambda: projector.trouble)


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project_commits_module, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(project_commits_module, "STUCK_RETRY_SECONDS", 0.05)


def is_ready(projector: Projector) -> bool:
    return projector.is_consuming


async def end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_rows_that_are_being_made_are_not_ready_and_say_how_far(database: Database) -> None:
    log = MemoryLog()
    await append(log, 3)
    projector = Projector(log, database, None)
    await look_at_end(projector)
    assert not is_ready(projector)
    assert projector.behind == 3
    assert "3 commits are left" in projector.alarms[0]
    task = asyncio.create_task(project_commits(projector))
    await until_at(projector, 3)
    await end(task)
    assert is_ready(projector)
    assert (projector.behind, projector.alarms) == (0, ())


async def test_a_look_at_an_empty_log_does_not_make_rows_ready_that_are_not_made_yet(
    database: Database,
) -> None:
    projector = Projector(MemoryLog(), database, None)
    await look_at_end(projector)
    assert not is_ready(projector)
    task = asyncio.create_task(project_commits(projector))
    await until(lambda: is_ready(projector))
    await end(task)
    assert await database.read(positions.find) is not None


async def test_a_database_that_does_not_take_rows_is_told_whatever_its_reason(
    database: Database,
) -> None:
    log = MemoryLog()
    projector = Projector(log, database, None)
    task = asyncio.create_task(project_commits(projector))
    await append(log, 1)
    await until_at(projector, 1)
    await database.write(lambda each: each.exec_driver_sql("DROP TABLE credit_entries"))
    await append(log, 1)
    await until_told(projector)
    assert not projector.is_consuming
    assert "nothing is projected" in projector.alarms[0]
    await end(task)


async def test_rows_of_another_log_are_said_so_and_stay_until_an_operator_lets_them_go(
    database: Database,
) -> None:
    with nats_cluster(1) as url:
        client = await nats.connect(url)
        log = await _log_with_epoch(client)
        await append(log, 2)
        await database.write(positions.create, "another")
        await database.write(positions.advance, 0, 5, "commit-5")
        projector = Projector(log, database, None)
        task = asyncio.create_task(project_commits(projector))
        await until_told(projector)
        assert "another one" in projector.trouble
        assert await database.read(positions.find) == Mark("another", 5, "commit-5")
        await database.write(positions.forget)
        await until(lambda: is_ready(projector))
        await end(task)
        assert projector.position == 2
        await client.close()


async def test_rows_ahead_of_the_log_are_said_so(database: Database) -> None:
    with nats_cluster(1) as url:
        client = await nats.connect(url)
        log = await _log_with_epoch(client)
        await append(log, 2)
        await database.write(positions.create, log.epoch)
        await database.write(positions.advance, 0, 5, "commit-5")
        projector = Projector(log, database, None)
        task = asyncio.create_task(project_commits(projector))
        await until_told(projector)
        await end(task)
        assert "set back: it ends at 2, and had 5" in projector.trouble
        await client.close()


async def _log_with_epoch(client: Client) -> JetStreamLog:
    await client.jetstream().add_stream(
        name="LOG", subjects=["log.>"], metadata={EPOCH_KEY: "one", FORMAT_KEY: FORMAT}
    )
    return await JetStreamLog.open(client)
