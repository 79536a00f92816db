"""What ended jobs still owe: a row for each, so that none is lost."""

import pytest
from msgspec import structs
from sqlalchemy import Connection

import read_models
from contracts.events import AnyEvent, ArtifactsRemoved, CancellationAnswered, JobDeleted
from domain.owed import Duty
from domain.times import micros_of
from domain.turns import Turn
from domain.waiting import WaitReason
from read_models import owed, waiting_jobs
from tests.support.examples import ACCOUNT, at
from tests.unit.read_models.test_read_models import (
    DONE,
    JOB,
    RECEIVED,
    STARTED,
    STOPPED,
    SUBMITTED,
    attempt_failed,
    history,
)


def duties(connection: Connection) -> list[Duty]:
    rows = [owed.due(connection, Turn(until=micros_of(at(999)), limit=9), duty) for duty in Duty]
    return [row.duty for found in rows for row in found]


DELETED = ("job", (JobDeleted(job_id=JOB, account_id=ACCOUNT, by="t"),))
ANSWERED = (
    "evidence",
    (CancellationAnswered(job_id=JOB, account_id=ACCOUNT, request_id="request-1", answer="202"),),
)
OTHER = ("evidence", (structs.replace(SUBMITTED[1][0], request_id="request-2"),))
REMOVED = ("evidence", (ArtifactsRemoved(job_id=JOB, account_id=ACCOUNT, keys=()),))


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ((STARTED, SUBMITTED, RECEIVED, DONE), []),
        ((STOPPED,), []),
        ((STARTED, STOPPED), [Duty.REPLY]),
        ((STARTED, STOPPED, SUBMITTED), [Duty.CANCELLATION]),
        ((STARTED, SUBMITTED, STOPPED), [Duty.CANCELLATION]),
        ((STARTED, SUBMITTED, STOPPED, RECEIVED), [Duty.CANCELLATION]),
        ((STARTED, SUBMITTED, STOPPED, DELETED), [Duty.CANCELLATION, Duty.REMOVAL]),
        ((STARTED, SUBMITTED, STOPPED, DELETED, REMOVED), [Duty.CANCELLATION]),
        ((STARTED, SUBMITTED, STOPPED, DELETED, ANSWERED), [Duty.REMOVAL, Duty.ANSWERED]),
        ((STARTED, RECEIVED, DONE, SUBMITTED), []),
        ((STARTED, SUBMITTED, STOPPED, ANSWERED, SUBMITTED), [Duty.ANSWERED]),
        ((STARTED, SUBMITTED, STOPPED, ANSWERED, OTHER), [Duty.CANCELLATION]),
    ],
)
def test_what_an_ended_job_owes_is_a_row_each_and_none_overwrites_another(
    connection: Connection,
    more: tuple[tuple[str, tuple[AnyEvent, ...]], ...],
    expected: list[Duty],
) -> None:
    read_models.apply(connection, history(*more))
    assert duties(connection) == expected


def test_a_request_that_is_heard_of_long_after_the_end_is_cancelled(
    connection: Connection,
) -> None:
    """Its attempt was given up on, and the job was cancelled before the next one."""
    gone = attempt_failed(may_have_run=True, seconds=3)
    read_models.apply(connection, history(STARTED, ("job", (gone,)), STOPPED, SUBMITTED))
    assert duties(connection) == [Duty.CANCELLATION]


def test_an_older_attempts_request_is_cancelled_and_the_newer_one_is_awaited(
    connection: Connection,
) -> None:
    """Its reply was so late that the attempt had been given up on."""
    second = {"attempt": 2, "request_id": "request-2"}
    read_models.apply(
        connection,
        history(
            STARTED,
            ("job", (attempt_failed(may_have_run=True, seconds=3),)),
            ("job", (structs.replace(STARTED[1][0], attempt=2),)),
            ("evidence", (structs.replace(SUBMITTED[1][0], **second),)),
            SUBMITTED,
        ),
    )
    assert duties(connection) == [Duty.CANCELLATION]
    waiting = waiting_jobs.find(connection, JOB)
    assert waiting is not None
    assert (waiting.attempt, waiting.request_id) == (2, "request-2")


def attempt(number: int) -> tuple[str, tuple[AnyEvent, ...]]:
    return ("job", (structs.replace(STARTED[1][0], attempt=number),))


def given_up(number: int, *, may_have_run: bool) -> tuple[str, tuple[AnyEvent, ...]]:
    event = attempt_failed(may_have_run=may_have_run, seconds=3)
    return ("job", (structs.replace(event, attempt=number),))


def test_while_no_newer_attempt_is_under_way_the_older_request_is_awaited(
    connection: Connection,
) -> None:
    """The provider refused the newer one, so the older is the only one that runs."""
    lost, refused = given_up(1, may_have_run=True), given_up(2, may_have_run=False)
    read_models.apply(connection, history(STARTED, lost, attempt(2), refused, SUBMITTED))
    assert duties(connection) == []
    waiting = waiting_jobs.find(connection, JOB)
    assert waiting is not None
    assert (waiting.wait_reason, waiting.request_id) == (WaitReason.RESULT, "request-1")


@pytest.mark.parametrize("next_one", [attempt(2), STOPPED], ids=["a newer attempt", "a cancel"])
def test_a_request_that_was_known_and_given_up_on_is_cancelled(
    connection: Connection, next_one: tuple[str, tuple[AnyEvent, ...]]
) -> None:
    """Its reply came while somebody gave the attempt up."""
    lost = given_up(1, may_have_run=True)
    read_models.apply(connection, history(STARTED, SUBMITTED, lost, next_one))
    assert duties(connection) == [Duty.CANCELLATION]


def test_an_answer_settles_the_request_that_it_is_about_only(connection: Connection) -> None:
    nothing = ("evidence", (structs.replace(ANSWERED[1][0], request_id=""),))
    read_models.apply(connection, history(STARTED, STOPPED, SUBMITTED, nothing))
    assert duties(connection) == [Duty.CANCELLATION]
