"""One suite for every store: files, and an S3 server that really checks signatures."""

import asyncio
import os
import time
from io import BytesIO
from pathlib import Path

import pytest

from adapters.files import LEFT_SECONDS, FileStorage
from adapters.s3 import UPLOAD_PART_BYTES
from adapters.storage import (
    PART_BYTES,
    STAGED_IN_MEMORY_BYTES,
    BadKey,
    Storage,
    StorageUnavailable,
)
from cli.world import free_port
from tests.integration.conftest import s3


async def test_what_was_put_is_got(storage: Storage) -> None:
    await storage.put("artifacts/a1.png", b"picture")
    assert await storage.get("artifacts/a1.png") == b"picture"


async def test_an_opened_object_tells_its_type_and_length(storage: Storage) -> None:
    body = os.urandom(600_001)
    await storage.put("artifacts/a2.webp", body)
    found = await storage.open("artifacts/a2.webp")
    assert found is not None
    assert (found.media_type, found.size_bytes) == ("image/webp", len(body))
    parts = [part async for part in found.parts()]
    assert max(len(part) for part in parts) <= PART_BYTES
    assert b"".join(parts) == body


async def test_a_large_file_is_put_piece_by_piece(storage: Storage) -> None:
    body = os.urandom(UPLOAD_PART_BYTES + 700_000)
    with storage.staged() as file:
        file.write(body)
        await storage.put_file("artifacts/a8.mp4", file)
    found = await storage.open("artifacts/a8.mp4")
    assert found is not None
    assert (found.media_type, found.size_bytes) == ("video/mp4", len(body))
    assert await storage.get("artifacts/a8.mp4") == body
    begin, end = UPLOAD_PART_BYTES - 10, UPLOAD_PART_BYTES + PART_BYTES + 10
    assert b"".join([part async for part in found.parts(begin, end)]) == body[begin:end]


async def test_a_file_of_just_one_part_is_put_whole(storage: Storage) -> None:
    body = os.urandom(UPLOAD_PART_BYTES)
    await storage.put_file("artifacts/a9.mp4", BytesIO(body))
    assert await storage.get("artifacts/a9.mp4") == body


class BrokenFile(BytesIO):
    """A file whose disk goes while it is read."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() >= UPLOAD_PART_BYTES:
            raise OSError("the disk has gone")
        return super().read(size)


async def test_a_file_that_cannot_be_read_to_its_end_is_not_put(storage: Storage) -> None:
    with pytest.raises((StorageUnavailable, OSError)):
        await storage.put_file("artifacts/a10.mp4", BrokenFile(bytes(2 * UPLOAD_PART_BYTES)))
    assert await storage.open("artifacts/a10.mp4") is None


async def test_a_staged_file_leaves_nothing(tmp_path: Path) -> None:
    storage = FileStorage(tmp_path)
    with storage.staged() as file:
        file.write(bytes(2 * STAGED_IN_MEMORY_BYTES))
        assert list(tmp_path.iterdir()) == [], "it has no name"
    await storage.put("artifacts/a.png", b"x")
    assert [path.name for path in tmp_path.rglob("*.*")] == ["a.png"]


async def test_an_object_that_goes_while_it_is_read_is_never_taken_for_whole(
    storage: Storage,
) -> None:
    await storage.put("artifacts/a5.png", os.urandom(600_001))
    found = await storage.open("artifacts/a5.png")
    assert found is not None
    parts = found.parts()
    await anext(parts)
    await storage.delete("artifacts/a5.png")
    with pytest.raises(StorageUnavailable):
        await anext(parts)


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


async def test_what_a_killed_process_left_half_written_is_removed_in_time(tmp_path: Path) -> None:
    folder = tmp_path / "artifacts"
    folder.mkdir()
    left, fresh = folder / ".0123456789abcdef.part", folder / ".fedcba9876543210.part"
    for part in (left, fresh):
        part.write_bytes(b"half")
    long_ago = time.time() - 2 * LEFT_SECONDS
    os.utime(left, (long_ago, long_ago))
    await FileStorage(tmp_path).put("artifacts/whole.png", b"whole")
    assert sorted(folder.iterdir()) == [fresh, folder / "whole.png"]


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
