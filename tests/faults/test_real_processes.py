"""The short runs against real processes. `make faults` runs the long ones."""

from collections.abc import Iterator

import pytest

from tests.faults import front_door, real_runs
from tests.support.worlds import RunningWorld, running_world


@pytest.fixture
def world() -> Iterator[RunningWorld]:
    with running_world(**real_runs.SETTINGS) as running:
        real_runs.grant_plenty(running)
        yield running


@pytest.fixture
def made(request: pytest.FixtureRequest) -> Iterator[RunningWorld]:
    """A world with settings of the test's own."""
    with running_world(**request.param) as running:
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


def test_a_broker_that_does_not_answer_is_a_503_and_loses_nothing(world: RunningWorld) -> None:
    assert real_runs.freeze_broker(world, 4).jobs > 0


@pytest.mark.parametrize("made", [real_runs.SMALL_LOG], indirect=True, ids=["small-log"])
def test_a_full_log_takes_no_new_work_and_lets_all_in_flight_end(made: RunningWorld) -> None:
    assert real_runs.fill_log(made).jobs > 10


@pytest.mark.parametrize("made", [real_runs.COPYING], indirect=True, ids=["copying"])
def test_storage_that_is_away_delays_and_breaks_no_image(made: RunningWorld) -> None:
    assert real_runs.take_storage_away(made, 3).jobs > 0


@pytest.mark.parametrize("made", [real_runs.WRONG_CLOCKS], indirect=True, ids=["wrong-clocks"])
def test_wrong_clocks_order_nothing_and_lose_nothing(made: RunningWorld) -> None:
    assert real_runs.skew_clocks(made, 8).jobs == 8


def test_heaps_of_headers_cost_the_api_no_memory(world: RunningWorld) -> None:
    felt = front_door.feel(world, 0, 20, 10)
    assert (felt.ended, felt.asked > 0) == (21, True)
    assert felt.memory_megabytes < 50
