"""A download of many files: a reader that takes nothing costs a part of one file."""

import io
import zipfile
from pathlib import Path
from typing import Any, cast

from msgspec import Struct

from adapters.files import FileStorage
from adapters.storage import PART_BYTES
from contracts.events import Artifact
from services.api.handlers.bulk_actions import _zipped

KEY = "artifacts/large.png"
LARGE = bytes(range(256)) * 4 * (PART_BYTES // 256)


class Api(Struct):
    storage: FileStorage


class Job(Struct):
    job_id: str
    artifacts: list[Artifact]


async def test_a_large_file_goes_into_a_download_part_by_part(tmp_path: Path) -> None:
    storage = FileStorage(tmp_path)
    await storage.put(KEY, LARGE)
    jobs = [
        Job("one", [Artifact(media_type="image/png", key=KEY)]),
        Job("gone", [Artifact(media_type="image/png", key="artifacts/gone.png")]),
    ]
    api = cast("Any", Api(storage))
    parts = [part async for part in _zipped(api, cast("Any", jobs), [])]
    assert max(len(part) for part in parts) < 2 * PART_BYTES
    with zipfile.ZipFile(io.BytesIO(b"".join(parts))) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["one.png", "results.json"]
        assert archive.read("one.png") == LARGE
        assert b'{"id":"gone","status":"unavailable"}' in archive.read("results.json")
