"""Turns: nobody's heap hides what others wait for, and a turn costs the same at any size."""

from collections.abc import Iterable

import pytest
from sqlalchemy import Connection, event, insert

from domain.turns import Turn
from domain.waiting import WaitReason
from read_models import deliveries, owed, waiting_jobs, waiting_runs
from read_models.turns import Lanes


def fill(connection: Connection, account: str, count: int, since: int = 0) -> None:
    rows = [
        {
            "job_id": f"{account}-{number:06}",
            "account_id": account,
            "wait_reason": WaitReason.TO_SUBMIT.value,
            "waiting_since": since + number,
            "deadline_at": 10**9,
            "requested_sequence": 1,
            "attempt": 0,
            "sequence": 1,
        }
        for number in range(count)
    ]
    connection.execute(insert(waiting_jobs.table), rows)


def take(connection: Connection, turn: Turn) -> list[str]:
    return [row.job_id for row in waiting_jobs.due(connection, turn, WaitReason.TO_SUBMIT)]


def accounts_of(taken: Iterable[str]) -> set[str]:
    return {job.partition("-")[0] for job in taken}


def test_what_is_due_and_no_more_than_was_asked_for_is_taken_whole(connection: Connection) -> None:
    fill(connection, "heap", 5)
    assert len(take(connection, Turn(until=100, limit=5))) == 5
    assert len(take(connection, Turn(until=2, limit=5))) == 3, "two are not due yet"
    assert take(connection, Turn(until=100, limit=0)) == []


def test_a_heap_does_not_hide_an_account_that_came_later(connection: Connection) -> None:
    fill(connection, "heap", 500)
    fill(connection, "later", 1, since=1000)
    assert "later" in accounts_of(take(connection, Turn(until=2000, limit=4)))


def test_one_place_at_a_time_goes_round_the_accounts(connection: Connection) -> None:
    for account in "abcd":
        fill(connection, account, 50)
    turn, served = Turn(until=100, limit=1), list[str]()
    for _ in range(8):
        served += accounts_of(take(connection, turn))
    assert served == [*"abcd", *"abcd"]


def test_what_is_skipped_is_not_taken_and_hides_nothing(connection: Connection) -> None:
    fill(connection, "a", 10)
    fill(connection, "b", 10)
    skip = {f"a-{number:06}" for number in range(9)}
    taken = take(connection, Turn(until=100, limit=2, skip=skip))
    assert taken == ["a-000009", "b-000000"]


def test_a_lane_that_has_enough_is_left_out(connection: Connection) -> None:
    fill(connection, "a", 10)
    fill(connection, "b", 10)
    assert accounts_of(take(connection, Turn(until=100, limit=4, full=["a"]))) == {"b"}


def test_many_accounts_are_all_served_in_time(connection: Connection) -> None:
    for number in range(300):
        fill(connection, f"account{number:03}", 2)
    turn, served = Turn(until=100, limit=8), set[str]()
    for _ in range(60):
        served |= accounts_of(take(connection, turn))
    assert len(served) == 300


LANES: dict[str, tuple[Lanes, dict[str, str]]] = {
    "jobs": (waiting_jobs._LANES, {"wait_reason": "outcome"}),
    "deadlines": (waiting_jobs._LATE, {}),
    "runs": (waiting_runs._LANES, {}),
    "deliveries": (deliveries._LANES, {}),
    "owed": (owed._LANES, {"duty": "removal"}),
}


@pytest.mark.parametrize("name", LANES)
def test_every_turn_is_answered_by_an_index_and_sorts_nothing(
    connection: Connection, name: str
) -> None:
    lanes, values = LANES[name]
    asked: list[tuple[str, tuple[object, ...]]] = []

    def note(_c: object, _cursor: object, sql: str, given: tuple[object, ...], *_: object) -> None:
        asked.append((sql, given))

    event.listen(connection, "before_cursor_execute", note)
    turn = Turn(until=5, limit=1, skip=["a"], full=["b"], after="a")
    lanes.take(connection, turn, **values)
    wanted = {"until": 5, "limit": 2, "skip": [], "full": [], **values}
    lanes._one_of_each_lane(connection, turn, wanted)
    event.remove(connection, "before_cursor_execute", note)
    assert len(asked) >= 3
    for sql, given in asked:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", given)
        steps = [str(row[3]) for row in plan]
        own = [step for step in steps if lanes.table_name in step]
        assert own
        assert all(step.startswith("SEARCH") for step in own), steps
        assert not any("TEMP B-TREE" in step for step in steps), steps
