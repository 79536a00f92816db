"""One world for all tests that leave it as they found it."""

import os
from collections.abc import Iterator

import httpx
import pytest

from tests.support.waiting import eventually
from tests.support.worlds import RunningWorld, running_world


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On another database than the first, leave out what would run as it has run already."""
    if os.environ.get("WORLDS_ON", "sqlite") == "sqlite":
        return
    repeats = [each for each in items if each.get_closest_marker("same_on_any_database")]
    config.hook.pytest_deselected(items=repeats)
    items[:] = [each for each in items if each not in repeats]


@pytest.fixture(scope="session")
def world() -> Iterator[RunningWorld]:
    with running_world(
        RECONCILE_AFTER_SECONDS="2",
        RECONCILE_EVERY_SECONDS="1",
        ACCOUNT_REQUESTS_PER_MINUTE="10000",
        ACCOUNT_JOBS_IN_FLIGHT_MAX="1000",
    ) as running:
        running.grant("demo", 1000)
        yield running


@pytest.fixture
def client(world: RunningWorld) -> Iterator[httpx.Client]:
    world.simulator("DELETE", "faults")
    eventually(world.is_at_rest)
    with world.client() as opened:
        yield opened
    world.simulator("DELETE", "faults")
