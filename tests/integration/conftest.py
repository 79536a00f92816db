"""Real servers for a whole module at a time."""

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from adapters.database import Database, open_database
from adapters.files import FileStorage
from adapters.s3 import S3Storage
from adapters.storage import Storage
from cli.world import free_port
from read_models import positions
from read_models.tables import METADATA
from tests.support.servers import (
    Process,
    darkroom_broker,
    folder,
    nats_cluster,
    postgresql,
    s3_with_conditions,
    wait_for_port,
)

ACCESS, SECRET = "access", "a-secret-of-tests"


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


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """Rclone serves S3 from a folder and refuses a wrong signature."""
    port = free_port()
    with folder() as path:
        (path / "bucket").mkdir()
        command = [
            str(Path(sys.executable).with_name("rclone")),
            *("serve", "s3", str(path), "--addr", f"127.0.0.1:{port}"),
            *("--auth-key", f"{ACCESS},{SECRET}"),
        ]
        server = Process(command, {"HOME": str(path), "XDG_CACHE_HOME": str(path)})
        try:
            wait_for_port(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.stop()


@pytest.fixture(scope="session")
def conditional_s3() -> Iterator[str]:
    """Moto knows `If-None-Match`, as S3 and R2 do; rclone does not."""
    with s3_with_conditions() as url:
        yield url


def s3(endpoint: str, secret: str = SECRET) -> S3Storage:
    return S3Storage(
        "s3://bucket/prefix",
        None,
        endpoint_url=endpoint,
        aws_access_key_id=ACCESS,
        aws_secret_access_key=secret,
    )


@pytest.fixture(params=["files", "s3", "conditional_s3"])
async def storage(
    request: pytest.FixtureRequest, tmp_path: Path, s3_server: str, conditional_s3: str
) -> AsyncIterator[Storage]:
    servers = {"s3": s3_server, "conditional_s3": conditional_s3}
    is_s3 = request.param in servers
    store: Storage = s3(servers[request.param]) if is_s3 else FileStorage(tmp_path)
    yield store
    await store.close()
