"""One suite for every store: files, and an S3 server that really checks signatures."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from adapters.storage import (
    PART_BYTES,
    BadKey,
    FileStorage,
    S3Storage,
    Storage,
    StorageUnavailable,
)
from cli.world import free_port
from tests.support.servers import Process, folder, s3_with_conditions, wait_for_port

ACCESS, SECRET = "access", "a-secret-of-tests"


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
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


@pytest.fixture(params=["files", "s3"])
async def storage(
    request: pytest.FixtureRequest, tmp_path: Path, s3_server: str
) -> AsyncIterator[Storage]:
    store: Storage = FileStorage(tmp_path) if request.param == "files" else s3(s3_server)
    yield store
    await store.close()


async def test_what_was_put_is_got(storage: Storage) -> None:
    await storage.put("artifacts/a1.png", b"picture")
    assert await storage.get("artifacts/a1.png") == b"picture"


async def test_an_opened_object_tells_its_type_and_length(storage: Storage) -> None:
    body = os.urandom(600_001)
    await storage.put("artifacts/a2.webp", body)
    found = await storage.open("artifacts/a2.webp")
    assert found is not None
    assert (found.media_type, found.size_bytes) == ("image/webp", len(body))
    parts = [part async for part in found.parts]
    assert max(len(part) for part in parts) <= PART_BYTES
    assert b"".join(parts) == body


async def test_an_object_that_goes_while_it_is_read_is_never_taken_for_whole(
    storage: Storage,
) -> None:
    await storage.put("artifacts/a5.png", os.urandom(600_001))
    found = await storage.open("artifacts/a5.png")
    assert found is not None
    await anext(found.parts)
    await storage.delete("artifacts/a5.png")
    with pytest.raises(StorageUnavailable):
        await anext(found.parts)


async def test_the_same_key_again_replaces_the_object_whole(storage: Storage) -> None:
    await storage.put("artifacts/a3.png", b"a longer first body")
    await storage.put("artifacts/a3.png", b"second")
    assert await storage.get("artifacts/a3.png") == b"second"


async def test_what_was_deleted_or_never_was_is_not_there(storage: Storage) -> None:
    await storage.put("artifacts/a4.png", b"x")
    await storage.delete("artifacts/a4.png")
    await storage.delete("artifacts/a4.png")
    assert await storage.get("artifacts/a4.png") is None
    assert await storage.open("artifacts/never.png") is None


@pytest.mark.parametrize("key", ["../secret", "/etc/passwd", "a/../b", "", "a b", "a//b", "a\x00"])
async def test_a_key_cannot_leave_the_store(storage: Storage, key: str) -> None:
    with pytest.raises(BadKey):
        await storage.put(key, b"x")
    with pytest.raises(BadKey):
        await storage.get(key)


async def test_files_leave_nothing_half_written(tmp_path: Path) -> None:
    storage = FileStorage(tmp_path)
    await storage.put("artifacts/a.png", b"x" * 100_000)
    assert [path.name for path in (tmp_path / "artifacts").iterdir()] == ["a.png"]


async def test_a_folder_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "artifacts").write_text("a file where a folder should be")
    with pytest.raises(StorageUnavailable):
        await FileStorage(tmp_path).put("artifacts/a.png", b"x")


async def test_a_wrong_secret_is_unavailable_not_a_missing_object(s3_server: str) -> None:
    storage = s3(s3_server, "a-wrong-secret")
    with pytest.raises(StorageUnavailable):
        await storage.get("artifacts/a.png")
    await storage.close()


async def test_a_store_that_is_away_is_unavailable() -> None:
    storage = s3(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(StorageUnavailable):
        await storage.put("artifacts/a.png", b"x")
    await storage.close()


async def test_what_is_created_once_stays(storage: Storage) -> None:
    assert await storage.create("keys/a5", b"first")
    assert not await storage.create("keys/a5", b"second")
    assert await storage.get("keys/a5") == b"first"


async def test_of_many_creators_of_one_file_one_is_first(tmp_path: Path) -> None:
    storage = FileStorage(tmp_path)
    bodies = [str(number).encode() for number in range(20)]
    made = await asyncio.gather(*(storage.create("keys/a6", body) for body in bodies))
    assert made.count(True) == 1
    assert await storage.get("keys/a6") == bodies[made.index(True)]
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["a6"]


async def test_a_store_with_conditions_lets_one_creator_through(conditional_s3: str) -> None:
    storage = s3(conditional_s3)
    bodies = [str(number).encode() for number in range(8)]
    made = await asyncio.gather(*(storage.create("keys/a7", body) for body in bodies))
    assert made.count(True) == 1
    assert await storage.get("keys/a7") == bodies[made.index(True)]
    await storage.close()
