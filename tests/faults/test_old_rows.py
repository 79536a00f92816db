"""The short runs in which rows are old, the log is set back, or a customer's server is dead."""

from collections.abc import Iterator

import pytest

from tests.faults import dead_endpoint, old_rows, real_runs
from tests.support.worlds import RunningWorld, running_world


@pytest.fixture
def world() -> Iterator[RunningWorld]:
    with running_world(**old_rows.IMPATIENT) as running:
        real_runs.grant_plenty(running)
        yield running


def test_a_projector_that_stands_still_makes_nobody_post_twice(world: RunningWorld) -> None:
    assert old_rows.freeze_projector(world, 4).jobs >= 20


def test_a_log_that_was_set_back_is_said_and_nothing_is_put_on_top(world: RunningWorld) -> None:
    assert old_rows.set_broker_back(world, 20).jobs == 1


def test_rows_follow_soon_after_the_broker_is_back(world: RunningWorld) -> None:
    assert old_rows.kill_broker_and_follow(world, 1).jobs == 1


def test_a_dead_endpoint_keeps_no_other_customer_waiting() -> None:
    assert dead_endpoint.starve(30).jobs == 30
