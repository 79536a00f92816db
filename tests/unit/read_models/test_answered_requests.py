"""Answers are kept as long as was promised, and no longer than two days."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, create_engine, select

import read_models
from contracts.commit import CommitRequest, Recorded
from contracts.events import CreditsGranted
from contracts.subjects import account_subject
from domain.account import NeededFacts
from read_models import accounts, answered_requests, positions
from tests.support import examples
from tests.support.examples import ACCOUNT

GRANTED = CreditsGranted(account_id=ACCOUNT, amount=10, reason="welcome")


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    with engine.begin() as opened:
        positions.create(opened, "epoch")
        yield opened
    engine.dispose()


def answered(number: int, seconds: float, key: str = "") -> Recorded:
    request = CommitRequest(
        actor="a", correlation_id="c", events=(0,), idempotency_key=key or f"k{number}"
    )
    written = examples.commit(GRANTED, requests=(request,), seconds=seconds)
    return Recorded(number, account_subject(ACCOUNT), written)


def test_answers_are_forgotten_after_two_days_and_not_before_one(connection: Connection) -> None:
    hours = 3600.0
    read_models.apply(connection, [answered(1, 0), answered(2, 20 * hours)])
    read_models.apply(connection, [answered(3, 24 * hours)])
    keys = NeededFacts(("k1", "k2", "k3", "k4"))
    assert accounts.snapshot(connection, ACCOUNT, keys).answered.keys() == {"k1", "k2", "k3"}
    read_models.apply(connection, [answered(4, 49 * hours)])
    assert accounts.snapshot(connection, ACCOUNT, keys).answered.keys() == {"k2", "k3", "k4"}


def test_a_key_that_was_forgotten_stands_for_its_newest_answer_however_batches_are_cut(
    connection: Connection,
) -> None:
    read_models.apply(connection, [answered(1, 0, "k"), answered(2, 100 * 3600.0, "k")])
    found = accounts.snapshot(connection, ACCOUNT, NeededFacts(("k",))).answered
    assert {key: answer.sequence for key, answer in found.items()} == {"k": 2}


def test_forgetting_goes_in_steps(connection: Connection) -> None:
    many = [answered(number, 0) for number in range(1, 1202)]
    read_models.apply(connection, many)
    left = []
    for number in range(1202, 1205):
        read_models.apply(connection, [answered(number, 90 * 3600.0)])
        rows = connection.execute(select(answered_requests.table.c.sequence)).all()
        left.append(sum(row.sequence < 1202 for row in rows))
    assert left == [701, 201, 0]
