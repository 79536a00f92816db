"""Downloads: a file is never in memory as a whole, and is refused as soon as it is known to be."""

import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from adapters.files import FileStorage
from adapters.storage import StorageUnavailable
from contracts.events import Artifact
from contracts.ids import JobId
from domain.artifacts import ArtifactRefused, Place
from domain.job_kinds.base import ProviderFile
from domain.media_types import FORMATS, MEBIBYTE, MediaType
from services.ingestor.artifacts import keep
from services.ingestor.downloads import PIECE_BYTES, FileUnavailable, Staging
from tests.support.examples import ACCOUNT
from tests.support.ingesting import IngestingWorld
from tests.unit.domain.test_media_types import MADE

PLACE = Place(JobId("job-1"), 0)
FILE = ProviderFile(url="https://media.example/film")
FILM = (MediaType.MP4,)
FREE_BOX_BYTES = 4 * MEBIBYTE
FREE_BOX = FREE_BOX_BYTES.to_bytes(4) + b"free" + bytes(FREE_BOX_BYTES - 8)


class Host:
    """A media host that sends a film of as many boxes as are asked for, and counts what it sent."""

    def __init__(self, boxes: int, begin: bytes = MADE[MediaType.MP4]) -> None:
        self.boxes, self.begin = boxes, begin
        self.sent_bytes = 0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["accept-encoding"] == "identity"
        return httpx.Response(200, headers={"Content-Type": "x/y"}, content=self._body())

    async def _body(self) -> AsyncIterator[bytes]:
        for part in (self.begin, *[FREE_BOX] * self.boxes):
            for at in range(0, len(part), 65_536):
                piece = part[at : at + 65_536]
                self.sent_bytes += len(piece)
                yield piece


async def kept(host: Host, folder: Path, staging: Staging | None = None) -> Artifact:
    world = IngestingWorld()
    world.ingestor.storage = FileStorage(folder)
    world.ingestor.staging = staging or world.ingestor.staging
    world.ingestor.media = httpx.AsyncClient(transport=httpx.MockTransport(host))
    try:
        return await keep(world.ingestor, ACCOUNT, PLACE, FILE, FILM)
    finally:
        assert world.ingestor.staging.bytes_now == 0


async def test_a_large_film_takes_little_memory(tmp_path: Path) -> None:
    host = Host(boxes=12)
    tracemalloc.start()
    try:
        artifact = await kept(host, tmp_path)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert artifact.size_bytes == host.sent_bytes > 48 * MEBIBYTE
    assert most < 8 * MEBIBYTE, "the file was in memory"
    assert (artifact.media_type, artifact.width, artifact.height) == ("video/mp4", 64, 48)
    (stored,) = tmp_path.rglob("*.*")
    assert stored.suffix == ".mp4"
    assert stored.stat().st_size == artifact.size_bytes


async def test_a_file_of_another_type_is_refused_before_it_has_come(tmp_path: Path) -> None:
    host = Host(boxes=12, begin=MADE[MediaType.PNG])
    with pytest.raises(ArtifactRefused, match="image/png, not video/mp4") as refused:
        await kept(host, tmp_path)
    assert refused.value.code == "bad_result"
    assert host.sent_bytes <= 2 * PIECE_BYTES
    assert list(tmp_path.rglob("*")) == []


async def test_a_file_above_its_types_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = type(FORMATS[MediaType.MP4])("mp4", MEBIBYTE)
    monkeypatch.setitem(FORMATS, MediaType.MP4, small)
    host = Host(boxes=12)
    with pytest.raises(ArtifactRefused, match="video/mp4 of more than 1048576 bytes"):
        await kept(host, tmp_path)
    assert host.sent_bytes <= MEBIBYTE + 2 * PIECE_BYTES
    assert list(tmp_path.rglob("*.*")) == []


async def test_a_broken_film_is_refused_and_never_had_a_name(tmp_path: Path) -> None:
    with pytest.raises(ArtifactRefused, match="cut off"):
        await kept(Host(boxes=0, begin=MADE[MediaType.MP4][:-10]), tmp_path)
    assert list(tmp_path.rglob("*.*")) == []


async def test_files_wait_when_too_much_is_being_stored(tmp_path: Path) -> None:
    with pytest.raises(FileUnavailable, match="too much"):
        await kept(Host(boxes=1), tmp_path, Staging(bytes_max=2 * MEBIBYTE))
    assert list(tmp_path.rglob("*.*")) == []


async def test_a_disk_that_fails_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("where a folder should be")
    with pytest.raises(StorageUnavailable):
        await kept(Host(boxes=0), tmp_path / "file" / "folder")


async def test_what_begins_as_json_may_be_a_text() -> None:
    world = IngestingWorld()
    body = b"[00:01] A reef at dawn."

    async def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=_once(body))

    world.ingestor.media = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    both = (MediaType.JSON, MediaType.TEXT)
    artifact = await keep(world.ingestor, ACCOUNT, PLACE, FILE, both)
    assert (artifact.media_type, artifact.size_bytes) == ("text/plain", len(body))
    with pytest.raises(ArtifactRefused, match="JSON is broken"):
        await keep(world.ingestor, ACCOUNT, PLACE, FILE, (MediaType.JSON,))


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


@pytest.mark.parametrize("made", list(MediaType))
async def test_each_type_is_kept_as_what_it_is(made: MediaType) -> None:
    world = IngestingWorld()

    async def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=_once(MADE[made]))

    world.ingestor.media = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    artifact = await keep(world.ingestor, ACCOUNT, PLACE, FILE, tuple(MediaType))
    assert artifact.key is not None
    assert (artifact.media_type, artifact.key.rpartition(".")[2]) == (made, FORMATS[made].extension)
    assert (artifact.width is not None) is made.startswith(("image/", "video/"))


async def test_a_compressed_answer_is_a_bad_result() -> None:
    world = IngestingWorld()

    async def answer(_: httpx.Request) -> httpx.Response:
        headers = {"Content-Encoding": "gzip"}
        return httpx.Response(200, headers=headers, content=_once(b"\x1f\x8b"))

    world.ingestor.media = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    with pytest.raises(ArtifactRefused, match="compressed"):
        await keep(world.ingestor, ACCOUNT, PLACE, FILE, FILM)
