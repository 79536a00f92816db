"""Real servers for a whole module at a time."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from adapters.database import Database, open_database
from read_models import positions
from read_models.tables import METADATA
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


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[tuple[Database, str]]:
    url = f"sqlite:///{tmp_path}/read-models.sqlite3"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres")
    opened = open_database(url, read_only=False)
    await opened.write(METADATA.drop_all)
    await opened.write(positions.create, "epoch")
    yield opened, url
    await opened.close()
