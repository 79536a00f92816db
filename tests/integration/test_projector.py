"""The projector: exactly once, in order, never past what it cannot digest."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from adapters.database import Database, open_database
from adapters.event_log.jetstream import JetStreamLog
from application.event_log import LogMessage
from cli.world import free_port
from contracts import announcement, codec
from contracts.announcement import Announcement
from contracts.events import CreditsGranted
from contracts.subjects import CHANGES, account_subject
from read_models import accounts, positions
from services.projector.dependencies import Projector
from services.projector.handlers import project_commits as handler
from services.projector.handlers.project_commits import project_commits
from tests.support.examples import ACCOUNT, a_job_id, commit, requested
from tests.support.memory_log import MemoryLog
from tests.support.servers import Process, folder, nats_program, wait_for_port
from tests.support.waiting import until


@pytest.fixture
async def client(one_server: str) -> AsyncIterator[Client]:
    opened = await nats.connect(one_server)
    yield opened
    await opened.close()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = open_database(f"sqlite:///{tmp_path}/rows.sqlite3", read_only=False)
    yield opened
    await opened.close()


def grant(amount: int) -> CreditsGranted:
    return CreditsGranted(account_id=ACCOUNT, amount=amount, reason="r")


async def append(log: MemoryLog | JetStreamLog, count: int) -> None:
    for _ in range(count):
        await log.append(account_subject(ACCOUNT), commit(grant(1)), after=None)


async def until_at(projector: Projector, position: int) -> None:
    await until(lambda: projector.position >= position)


async def granted(database: Database) -> int:
    balance = await database.read(accounts.find, ACCOUNT)
    return balance.account.granted


async def stop(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_each_commit_is_applied_once_across_restarts(
    client: Client, database: Database
) -> None:
    log = MemoryLog()
    for round_number in range(1, 4):
        await append(log, 5)
        projector = Projector(log, database, client)
        task = asyncio.create_task(project_commits(projector))
        await until_at(projector, 5 * round_number)
        await stop(task)
        assert await granted(database) == 5 * round_number


async def test_rows_that_were_let_go_are_made_anew_though_nothing_is_written(
    client: Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler, "REBUILD_CHECK_SECONDS", 0.05)
    log = MemoryLog()
    await append(log, 5)
    projector = Projector(log, database, client)
    task = asyncio.create_task(project_commits(projector))
    await until_at(projector, 5)
    await database.write(positions.forget)

    async def rows_are_there() -> bool:
        return await database.read(positions.read) == 5

    await until(rows_are_there)
    assert await granted(database) == 5
    await stop(task)


async def test_every_batch_is_announced_with_where_it_came_from(
    client: Client, database: Database
) -> None:
    heard: list[Announcement] = []

    async def hear(message: Msg) -> None:
        heard.append(announcement.decode(message.data))

    await client.subscribe(CHANGES, cb=hear)
    log = MemoryLog()
    projector = Projector(log, database, client)
    task = asyncio.create_task(project_commits(projector))
    await append(log, 3)
    await until_at(projector, 3)
    await until(lambda: heard and heard[-1].position == 3)
    await stop(task)
    assert all(one.position == other.previous for one, other in pairwise(heard))
    assert heard[-1].position == 3
    assert ("accounts", ACCOUNT) in {(row.table, row.id) for row in heard[-1].rows}


async def test_two_projectors_of_one_database_apply_nothing_twice(
    client: Client, database: Database
) -> None:
    log = MemoryLog()
    both = [Projector(log, database, client) for _ in range(2)]
    tasks = [asyncio.create_task(project_commits(each)) for each in both]
    await append(log, 40)
    for projector in both:
        await until_at(projector, 40)
    for task in tasks:
        await stop(task)
    assert await granted(database) == 40


async def stuck(projector: Projector) -> "asyncio.Task[None]":
    """Project until it stands still."""
    task = asyncio.create_task(project_commits(projector))
    await until(lambda: projector.trouble)
    return task


class Poisoned(MemoryLog):
    """A log whose second message is no commit. It counts how often it was asked for that."""

    tries = 0

    async def follow(self, after: int) -> AsyncIterator[list[LogMessage]]:
        async for batch in super().follow(after):
            for entry in batch:
                is_bad = entry.sequence == 2
                self.tries += is_bad
                yield [LogMessage(2, entry.subject, b"{}") if is_bad else entry]


async def test_what_cannot_be_digested_is_never_skipped_past(
    client: Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler, "STUCK_RETRY_SECONDS", 0.05)
    log = Poisoned()
    await append(log, 3)
    projector = Projector(log, database, client)
    task = await stuck(projector)
    await until(lambda: log.tries > 3)  # Three times it was met, and not passed.
    await stop(task)
    assert "commit 2" in projector.trouble
    assert await database.read(positions.read) == 1


class WrittenByNewer(MemoryLog):
    """A log whose second message holds an event of a newer version."""

    async def follow(self, after: int) -> AsyncIterator[list[LogMessage]]:
        async for batch in super().follow(after):
            for entry in batch:
                body = entry.body
                if entry.sequence == 2:
                    body = body.replace(b"credits.granted.v1", b"credits.granted.v2")
                yield [LogMessage(entry.sequence, entry.subject, body)]


async def test_an_event_of_a_newer_version_is_waited_for_and_projected_after_the_upgrade(
    client: Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler, "STUCK_RETRY_SECONDS", 0.05)
    log = WrittenByNewer()
    await append(log, 3)
    projector = Projector(log, database, client)
    task = await stuck(projector)
    assert "a newer version wrote 'credits.granted.v2': upgrade" in projector.trouble
    assert await database.read(positions.read) == 1

    def known_now(fields: dict[str, Any]) -> dict[str, Any]:
        return {**fields, "type": "credits.granted.v1"}

    monkeypatch.setattr(codec, "UPCASTERS", {"credits.granted.v2": known_now})
    await until_at(projector, 3)
    await stop(task)
    assert (await granted(database), projector.trouble) == (3, "")


async def test_following_goes_on_after_the_broker_was_killed() -> None:
    port = free_port()
    with folder() as path:
        config = path / "nats.conf"
        store = f'jetstream {{\n  store_dir: "{path}/store"\n  sync_interval: always\n}}\n'
        config.write_text(f'listen: "127.0.0.1:{port}"\n{store}')
        server = Process([nats_program(), "-c", str(config)])
        try:
            await _survive(server, port)
        finally:
            server.stop()


async def _survive(server: Process, port: int) -> None:
    wait_for_port(port)

    async def ignore(_error: Exception) -> None:
        return

    client = await nats.connect(
        f"nats://127.0.0.1:{port}",
        error_cb=ignore,
        reconnect_time_wait=0.1,
        max_reconnect_attempts=-1,
    )
    await client.jetstream().add_stream(name="LOG", subjects=["log.>"])
    log = JetStreamLog(client, "epoch", append_timeout_seconds=10)
    seen: list[int] = []

    async def follow() -> None:
        async for batch in log.follow(0):
            seen.extend(entry.sequence for entry in batch)

    following = asyncio.create_task(follow())
    for _ in range(2):
        await log.append(account_subject(ACCOUNT), commit(requested(a_job_id())), after=None)
        server.stop(9)
        server.start()
        wait_for_port(port)
    await log.append(account_subject(ACCOUNT), commit(requested(a_job_id())), after=None)
    await until(lambda: len(seen) >= 3, 30)
    await stop(following)
    await client.close()
    assert seen == [1, 2, 3]


async def test_a_standby_under_load_is_no_trouble(tmp_path: Path) -> None:
    log = MemoryLog()
    await append(log, 1)
    url = f"sqlite:///{tmp_path}/rows.sqlite3"
    both = [Projector(log, open_database(url, read_only=False), None) for _ in range(2)]
    tasks = [asyncio.create_task(project_commits(each)) for each in both]

    async def both_consume() -> bool:
        await append(log, 1)
        return all(each.is_consuming for each in both)

    await until(both_consume)
    said = set()
    for _ in range(100):
        await append(log, 1)
        await asyncio.sleep(0.01)  # Load that does not stop: each batch is a race of the two.
        said |= {alarm for each in both for alarm in each.alarms}
    for each in both:
        await until_at(each, await log.end())
    assert said == set()
    for task, each in zip(tasks, both, strict=True):
        await stop(task)
        await each.database.close()
