"""The position: whose log the rows are of, how far they are, and when they are made anew."""

import pytest
from sqlalchemy import Connection, create_engine

import read_models
from contracts.commit import Mark
from read_models import jobs, positions, waiting_jobs
from tests.unit.read_models.test_read_models import JOB, STARTED, history


def test_only_one_projector_can_move_the_position(connection: Connection) -> None:
    positions.advance(connection, 0, 5)
    assert positions.read(connection) == 5
    with pytest.raises(positions.Fenced):
        positions.advance(connection, 0, 5)


def test_rows_tell_of_which_log_they_are_and_where(connection: Connection) -> None:
    positions.advance(connection, 0, 5, "commit-5")
    assert positions.find(connection) == Mark("epoch", 5, "commit-5")
    assert positions.create(connection, "another") == Mark("epoch", 5, "commit-5")


def test_empty_rows_belong_to_whatever_log_there_is(connection: Connection) -> None:
    assert positions.create(connection, "another") == Mark("another", 0)


def test_rows_of_another_shape_are_made_anew(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_models.apply(connection, history(STARTED))
    positions.advance(connection, 0, 3, "commit-3")
    monkeypatch.setattr(positions, "shape", lambda: "another shape")
    assert positions.find(connection) is None
    assert positions.create(connection, "epoch") == Mark("epoch", 0)
    assert jobs.find(connection, JOB) is None


def test_tables_from_before_shapes_were_told_are_made_anew() -> None:
    with create_engine("sqlite://").begin() as opened:
        opened.exec_driver_sql("CREATE TABLE positions (name TEXT, epoch TEXT, sequence INTEGER)")
        opened.exec_driver_sql("INSERT INTO positions VALUES ('read_models', 'epoch', 7)")
        opened.exec_driver_sql("CREATE TABLE waiting_jobs (job_id TEXT PRIMARY KEY)")
        assert positions.create(opened, "epoch") == Mark("epoch", 0)
        assert waiting_jobs.count_open(opened) == 0


def test_what_an_operator_lets_go_is_made_anew(connection: Connection) -> None:
    positions.advance(connection, 0, 5, "commit-5")
    positions.forget(connection)
    assert positions.create(connection, "another") == Mark("another", 0)
