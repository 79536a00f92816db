"""One world for all tests that leave it as they found it."""

from collections.abc import Iterator

import httpx
import pytest

from cli.world import free_port
from tests.support.receiver import Receiver, a_receiver
from tests.support.waiting import eventually
from tests.support.worlds import RunningWorld, running_world


@pytest.fixture(scope="session")
def receiver() -> Iterator[Receiver]:
    """A server of a customer, to which the world may send webhooks."""
    with a_receiver() as found:
        yield found


@pytest.fixture(scope="session")
def hooks_port() -> int:
    """A port on which a test may listen for webhooks itself."""
    return free_port()


@pytest.fixture(scope="session")
def world(receiver: Receiver, hooks_port: int) -> Iterator[RunningWorld]:
    with running_world(
        WEBHOOK_HOSTS_ALLOWED=f"{receiver.host},127.0.0.1:{hooks_port}",
        RECONCILE_AFTER_SECONDS="2",
        RECONCILE_EVERY_SECONDS="1",
        ACCOUNT_REQUESTS_PER_MINUTE="10000",
        ACCOUNT_JOBS_IN_FLIGHT_MAX="1000",
    ) as running:
        running.grant("demo", 1000)
        yield running


@pytest.fixture
def client(world: RunningWorld) -> Iterator[httpx.Client]:
    world.simulator("DELETE", "failures")
    eventually(world.is_at_rest)
    with world.client() as opened:
        yield opened
    world.simulator("DELETE", "failures")
