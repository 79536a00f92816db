"""One world for all tests that leave it as they found it."""

from collections.abc import Iterator

import httpx
import pytest

from tests.support.waiting import eventually
from tests.support.worlds import RunningWorld, running_world


@pytest.fixture(scope="session")
def world() -> Iterator[RunningWorld]:
    with running_world(
        RECONCILE_AFTER_SECONDS="2",
        RECONCILE_EVERY_SECONDS="1",
        ACCOUNT_REQUESTS_PER_MINUTE="10000",
        ACCOUNT_JOBS_IN_FLIGHT_MAX="1000",
    ) as running:
        running.cli("credits", "grant", "--account", "demo", "--amount", "1000", "--reason", "test")
        yield running


@pytest.fixture
def client(world: RunningWorld) -> Iterator[httpx.Client]:
    world.simulator("DELETE", "faults")

    def all_ended() -> bool:
        return set(world.simulator("GET", "requests").values()) <= {"COMPLETED"}

    eventually(all_ended)
    with world.client() as opened:
        yield opened
