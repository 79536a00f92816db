"""Real servers for a whole module at a time."""

from collections.abc import Iterator

import pytest

from tests.support.servers import darkroom_broker, nats_cluster, postgresql


@pytest.fixture(scope="session")
def one_server() -> Iterator[str]:
    with nats_cluster(1) as url:
        yield url


@pytest.fixture(scope="session")
def three_servers() -> Iterator[str]:
    with nats_cluster(3) as url:
        yield url


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    with postgresql() as url:
        yield url


@pytest.fixture(scope="session")
def broker() -> Iterator[tuple[str, dict[str, str]]]:
    """The embedded broker with its users: its URL, and their passwords."""
    with darkroom_broker() as found:
        yield found
