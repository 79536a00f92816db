"""The read models on both databases give the same answers."""

import traceback
from pathlib import Path

import pytest
from msgspec import structs
from sqlalchemy import Connection, insert, select, text

import read_models
from adapters.database import Database, DatabaseUnavailable, NeverTaken, open_database
from cli.world import free_port
from contracts.commit import CommitRequest, Recorded
from contracts.events import (
    AccessTokenIssued,
    AccessTokenRevoked,
    AccountOpened,
    AnyEvent,
    CreditsCharged,
    CreditsGranted,
    JobCompleted,
)
from contracts.events.account import Role
from contracts.ids import TokenId
from contracts.subjects import account_subject, evidence_subject, job_subject
from domain.account import NeededFacts
from read_models import (
    accounts,
    job_lists,
    jobs,
    positions,
    provider_requests,
)
from read_models.job_lists import Filter
from tests.support import examples
from tests.support.examples import ACCOUNT

SECRET = "a-prompt"  # By this name, so that no line of source that a traceback shows holds it.


def a_life() -> list[Recorded]:
    job = examples.a_job_id()
    ended = (
        JobCompleted(job_id=job, account_id=ACCOUNT, attempt=1, artifacts=()),
        CreditsCharged(account_id=ACCOUNT, job_id=job, amount=1),
    )
    own, its, said = account_subject(ACCOUNT), job_subject(job), evidence_subject("result")
    granted = CreditsGranted(account_id=ACCOUNT, amount=5, reason="ä ok")
    return [
        examples.recorded(1, own, granted),
        examples.recorded(2, own, examples.reserved(job), examples.requested(job)),
        examples.recorded(3, its, examples.started(job)),
        examples.recorded(4, said, examples.submitted(job)),
        examples.recorded(5, said, examples.received(job)),
        examples.recorded(6, its, *ended),
    ]


async def test_a_batch_is_projected_and_read_back(database: tuple[Database, str]) -> None:
    opened, _ = database
    await opened.write(read_models.apply, a_life())
    balance = await opened.read(accounts.find, ACCOUNT)
    assert (balance.account.available, balance.account.charged) == (4, 1)
    wanted = Filter(account_id=ACCOUNT)
    (job,) = await opened.read(job_lists.newest, wanted)
    assert (job.status, job.provider) == ("completed", "simulator")
    known = await opened.read(provider_requests.of_attempt, job.job_id, 1)
    assert set(known.own) == {"request-1"}
    assert set(known.results) == {("request-1", "ok")}
    assert await opened.read(provider_requests.owned, ["request-1", "x"]) == {"request-1"}
    entries = await opened.read(accounts.newest_entries, ACCOUNT, (6, 1), 10)
    assert [entry.move for entry in entries] == ["reserved", "granted"]


async def test_a_decision_finds_what_it_wants_and_answers_are_forgotten(
    database: tuple[Database, str],
) -> None:
    opened, _ = database
    own, token = account_subject(ACCOUNT), TokenId("t1")
    request = CommitRequest(actor="a", correlation_id="c", events=(0,), idempotency_key="own:ä k")
    events: tuple[AnyEvent, ...] = (
        AccountOpened(account_id=ACCOUNT, owner=examples.OTHER),
        AccessTokenRevoked(account_id=ACCOUNT, token_id=token),
    )
    issued = AccessTokenIssued(account_id=ACCOUNT, token_id=token, sha256="ab", role=Role.USER)
    wanted = NeededFacts(("own:ä k",), tokens=(token,), endpoints=True)
    commits = [
        Recorded(1, own, examples.commit(issued, requests=(request,))),
        Recorded(2, own, examples.commit(*events)),
    ]
    await opened.write(read_models.apply, commits)
    found = await opened.read(accounts.snapshot, ACCOUNT, wanted)
    assert found.owner == examples.OTHER
    assert found.revoked_tokens == {token}
    assert found.answered["own:ä k"].sequence == 1
    later = structs.replace(request, idempotency_key="own:later")
    much = Recorded(3, own, examples.commit(*events, requests=(later,), seconds=200_000))
    await opened.write(read_models.apply, [much])
    found = await opened.read(accounts.snapshot, ACCOUNT, wanted)
    assert found.answered == {}


async def test_rows_and_position_go_together_or_not_at_all(database: tuple[Database, str]) -> None:
    opened, _ = database

    def work(connection: Connection) -> None:
        read_models.apply(connection, a_life())
        positions.advance(connection, 99, 100)

    with pytest.raises(positions.Fenced):
        await opened.write(work)
    count = await opened.read(lambda connection: len(connection.execute(select(jobs.table)).all()))
    assert count == 0


async def test_a_value_that_will_never_be_taken_is_no_outage(
    database: tuple[Database, str],
) -> None:
    """Else the projector would wait for ever and never say that it is stuck."""
    opened, url = database

    def twice(connection: Connection) -> None:
        for _ in range(2):
            connection.execute(insert(positions.table).values(name="x", epoch="e", sequence=1))

    with pytest.raises(NeverTaken):
        await opened.write(twice)
    if url.startswith("postgresql"):
        nul = insert(positions.table).values(name="a\x00b", epoch="e", sequence=1)
        with pytest.raises(NeverTaken):
            await opened.write(lambda connection: connection.execute(nul))


async def test_an_error_tells_neither_sql_nor_values_even_with_its_traceback(
    database: tuple[Database, str],
) -> None:
    opened, _ = database
    row = {"name": SECRET, "epoch": "e", "sequence": 1}

    def twice(connection: Connection) -> None:
        connection.execute(insert(positions.table), [row])
        connection.execute(insert(positions.table), [row])

    def wrong_type(connection: Connection) -> None:
        connection.execute(
            insert(positions.table), [row | {"epoch": SECRET.encode(), "sequence": {}}]
        )

    def no_such_table(connection: Connection) -> None:
        connection.execute(text("insert into nothing values (:value)"), {"value": SECRET})

    for work in (twice, wrong_type, no_such_table):
        with pytest.raises((NeverTaken, DatabaseUnavailable)) as caught:
            await opened.write(work)
        printed = "".join(traceback.format_exception(caught.value))
        assert SECRET not in printed, printed
        assert str(caught.value)
    with pytest.raises(NeverTaken, match="positions"):
        await opened.write(twice)


async def test_a_reader_sees_what_was_committed(database: tuple[Database, str]) -> None:
    writer, url = database
    reader = open_database(url, read_only=True)
    assert await reader.read(positions.read) == 0
    await writer.write(positions.advance, 0, 3)
    assert await reader.read(positions.read) == 3
    await reader.close()


async def test_a_database_without_tables_is_unavailable(tmp_path: Path) -> None:
    empty = open_database(f"sqlite:///{tmp_path}/none.sqlite3", read_only=True)
    with pytest.raises(DatabaseUnavailable):
        await empty.read(positions.read)
    await empty.close()


async def test_a_database_that_is_away_is_unavailable() -> None:
    url = f"postgresql+asyncpg://nobody@127.0.0.1:{free_port()}/none"
    away = open_database(url, read_only=True)
    with pytest.raises(DatabaseUnavailable):
        await away.read(lambda connection: connection.execute(text("select 1")))
    await away.close()
