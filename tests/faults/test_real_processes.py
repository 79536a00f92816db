"""The short runs against real processes. `make faults` runs the long ones."""

from collections.abc import Iterator

import pytest

from tests.faults import real_runs
from tests.support.worlds import RunningWorld, running_world


@pytest.fixture
def world() -> Iterator[RunningWorld]:
    with running_world(**real_runs.SETTINGS) as running:
        real_runs.grant_plenty(running)
        yield running


def test_killed_services_lose_nothing_and_charge_once(world: RunningWorld) -> None:
    assert real_runs.kill_services(world, 8).jobs > 0


def test_a_killed_broker_loses_no_acknowledged_commit(world: RunningWorld) -> None:
    assert real_runs.kill_broker(world, 2).jobs > 0


def test_a_lost_reply_is_one_post_and_one_charge(world: RunningWorld) -> None:
    assert real_runs.lose_replies(world, 40).jobs == 40


def test_a_locked_database_delays_and_loses_nothing(world: RunningWorld) -> None:
    assert real_runs.lock_database(world, 4).jobs > 0


def test_webhooks_in_every_bad_shape_lose_no_job(world: RunningWorld) -> None:
    assert real_runs.drown_in_webhooks(world, 12).jobs == 12
