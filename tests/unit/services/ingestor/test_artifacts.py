"""Media: which files are fetched, what is believed of them, and whose the stored ones are."""

import hashlib
import io
import re
import struct
import zlib
from collections.abc import AsyncIterator, Sequence

import httpx
import pytest
from PIL import Image

from contracts.events import Artifact, JobDeleted
from contracts.ids import CommitId, JobId
from contracts.subjects import job_subject
from domain.artifacts import ArtifactRefused, Place, key_of
from domain.job_kinds.base import ProviderFile, ProviderText
from domain.media_types import PICTURES, MediaType
from domain.owed import Duty
from domain.turns import Turn
from read_models import owed
from services.ingestor.artifacts import keep
from services.ingestor.downloads import FileUnavailable, check_host
from services.ingestor.handlers.settle_results import settle
from services.ingestor.handlers.sweep_waiting import remove
from tests.support.examples import ACCOUNT, OTHER
from tests.support.ingesting import MASTER_KEY, IngestingWorld

RED = {"images": [{"url": "https://media.example/red"}]}


async def test_each_job_has_an_artifact_of_its_own_which_its_removal_takes() -> None:
    world = IngestingWorld()
    made = []
    for _ in range(2):
        job = await world.job()
        await settle(world.ingestor, await world.result(job, RED), CommitId("c"))
        made.append(job)
    one, stored = made[0], world.storage.objects
    assert sum(key.startswith("artifacts/") for key in stored) == 2
    await world.add(job_subject(one), JobDeleted(job_id=one, account_id=ACCOUNT, by="owner"))
    world.project()
    (row,) = world.database.now(owed.due, Turn(until=2**62, limit=9), Duty.REMOVAL)
    await remove(world.ingestor, row)
    assert sum(key.startswith("artifacts/") for key in stored) == 1


def test_a_name_tells_account_job_place_and_content_apart() -> None:
    one, two = JobId("one"), JobId("two")
    names = {
        key_of(MASTER_KEY, account, Place(job, index), digest)
        for account in (ACCOUNT, OTHER)
        for job in (one, two)
        for index in (0, 1)
        for digest in ("aa", "bb")
    }
    assert len(names) == 16


def encoded(format_name: str, width: int = 6, height: int = 4) -> bytes:
    body = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(body, format_name)
    return body.getvalue()


def png_that_claims(width: int, height: int) -> bytes:
    """A PNG of few bytes whose head says that it is large."""
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", zlib.crc32(head))
    ) + encoded("PNG")[33:]


ALLOWED = frozenset({"media.example", "files.example:8443"})


@pytest.mark.parametrize(
    "url",
    [
        "https://media.example/a.png",
        "https://media.example:443/a.png",
        "https://media.example/a%20b.png?x=1&y=@",
        "https://MEDIA.example/a.png",
        "HTTPS://media.example/é.png",
        "https://files.example:8443/a.png",
    ],
)
def test_a_file_on_an_allowed_host_is_fetched(url: str) -> None:
    check_host(url, ALLOWED)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/a.png",
        "https://media.example.evil.example/a.png",
        "https://sub.media.example/a.png",
        "https://media.example:8443/a.png",
        "https://media.example:99999/a.png",
        "https://files.example/a.png",
        "http://media.example/a.png",
        "ftp://media.example/a.png",
        "//media.example/a.png",
        "file:///etc/passwd",
        "https://media.example@evil.example/a.png",
        "https://user@media.example/a.png",
        "https://user:password@media.example/a.png",
        "https://evil.example/?https://media.example/",
        "https://evil.example\\@media.example/a.png",
    ],
)
def test_a_file_on_another_host_or_port_or_with_a_user_is_refused(url: str) -> None:
    with pytest.raises(ArtifactRefused) as caught:
        check_host(url, ALLOWED)
    assert caught.value.code == "media_host_refused"


@pytest.mark.parametrize(
    "url",
    [
        "https://media.example/" + "x" * 5000,
        "https://[::1/a.png",
        "https://media.example/\x00",
    ],
)
def test_a_url_that_cannot_be_used_is_a_bad_result(url: str) -> None:
    with pytest.raises(ArtifactRefused) as caught:
        check_host(url, ALLOWED)
    assert caught.value.code == "bad_result"


def test_what_is_said_of_a_refused_host_is_short() -> None:
    with pytest.raises(ArtifactRefused) as caught:
        check_host(f"https://{'x' * 50}.{'y' * 3000}/", ALLOWED)
    assert len(caught.value.detail) <= 200


@pytest.mark.parametrize(
    ("format_name", "extension", "media_type"),
    [("PNG", "png", "image/png"), ("JPEG", "jpg", "image/jpeg"), ("WEBP", "webp", "image/webp")],
)
async def test_a_picture_is_what_its_bytes_say(
    format_name: str, extension: str, media_type: str
) -> None:
    artifact = await kept_from(file(encoded(format_name)))
    assert artifact.media_type == media_type
    assert artifact.key is not None
    assert artifact.key.endswith(f".{extension}")
    assert (artifact.width, artifact.height) == (6, 4)


NO_PICTURES = {
    "nothing": b"",
    "text": b"<html>not found</html>",
    "another format": encoded("GIF"),
    "a head alone": encoded("PNG")[:33],
    "a truncated png": encoded("PNG", 400, 400)[:-30],
    "a truncated jpeg": encoded("JPEG", 400, 400)[:-200],
    "a truncated webp": encoded("WEBP", 400, 400)[:-50],
    "too many pixels": png_that_claims(7000, 7000),
    "a bomb": png_that_claims(10_000, 10_000),
    "a bomb beyond Pillow's own limit": png_that_claims(60_000, 60_000),
}


@pytest.mark.parametrize("body", NO_PICTURES.values(), ids=NO_PICTURES)
async def test_what_is_no_whole_picture_of_a_sane_size_is_a_bad_result(body: bytes) -> None:
    with pytest.raises(ArtifactRefused) as caught:
        await kept_from(file(body))
    assert caught.value.code == "bad_result"


PLACE = Place(JobId("job-1"), 0)
FILE = ProviderFile(url="https://media.example/red", content_type="image/png")


async def in_pieces(body: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(body), 1000):
        yield body[at : at + 1000]


def file(body: bytes) -> httpx.Response:
    return httpx.Response(200, content=in_pieces(body))


async def kept_from(answer: httpx.Response, accepted: Sequence[MediaType] = PICTURES) -> Artifact:
    """Keep a file that the media host answers with; leave nothing staged."""
    world = IngestingWorld()
    world.ingestor.media = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: answer))
    try:
        return await keep(world.ingestor, ACCOUNT, PLACE, FILE, accepted)
    finally:
        assert world.ingestor.staging.bytes_now == 0


async def test_a_file_is_stored_under_its_own_name_with_what_it_is() -> None:
    world = IngestingWorld()
    artifact = await keep(world.ingestor, ACCOUNT, PLACE, FILE, PICTURES)
    assert artifact.key is not None
    body = world.storage.objects[artifact.key]
    assert artifact.sha256 == hashlib.sha256(body).hexdigest()
    assert (artifact.size_bytes, artifact.width, artifact.height) == (len(body), 4, 4)
    name = key_of(MASTER_KEY, ACCOUNT, PLACE, artifact.sha256)
    assert artifact.key == f"{name}.png"


@pytest.mark.parametrize("status", [400, 404, 410, 451, 301, 302])
async def test_a_file_that_is_gone_or_elsewhere_is_a_bad_result(status: int) -> None:
    with pytest.raises(ArtifactRefused, match=str(status)):
        await kept_from(httpx.Response(status, headers={"Location": "https://evil.example/"}))


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
async def test_a_file_that_cannot_be_had_now_is_waited_for(status: int) -> None:
    with pytest.raises(FileUnavailable, match=str(status)):
        await kept_from(httpx.Response(status))


async def test_a_file_that_comes_shorter_than_said_is_waited_for() -> None:
    body = encoded("PNG")

    async def half() -> AsyncIterator[bytes]:
        yield body[:50]

    with pytest.raises(FileUnavailable, match="truncated"):
        await kept_from(httpx.Response(200, headers={"Content-Length": "100"}, content=half()))


async def test_a_file_that_does_not_end_is_given_up_as_too_large() -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield encoded("PNG")
        while True:
            yield bytes(1024 * 1024)

    with pytest.raises(ArtifactRefused, match="more than") as caught:
        await kept_from(httpx.Response(200, content=endless()))
    assert caught.value.code == "bad_result"


async def test_a_text_is_sealed_and_one_that_is_too_long_is_a_bad_result() -> None:
    world = IngestingWorld()
    text = ProviderText(text="Coral é")
    artifact = await keep(world.ingestor, ACCOUNT, PLACE, text, PICTURES)
    assert artifact.text is not None
    assert await world.vault.unseal(ACCOUNT, artifact.text) == "Coral é".encode()
    with pytest.raises(ArtifactRefused, match="of text"):
        await keep(world.ingestor, ACCOUNT, PLACE, ProviderText(text="é" * 600_000), PICTURES)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("image/webp", "image/webp"),
        (None, "image/png"),
        ("", "image/png"),
        ("text/html\r\nX: y", "image/png"),
        ("nonsense", "image/png"),
    ],
)
async def test_where_links_are_kept_nothing_is_fetched_and_only_a_media_type_is_shown(
    said: str | None, shown: str
) -> None:
    world = IngestingWorld(artifacts="link")
    file = ProviderFile(url=FILE.url, content_type=said, width=7, height=8)
    artifact = await keep(world.ingestor, ACCOUNT, PLACE, file, PICTURES)
    assert (artifact.url, artifact.key, artifact.media_type) == (FILE.url, None, shown)
    assert (artifact.width, artifact.height) == (7, 8)
    assert world.storage.objects == {}


def test_a_name_says_nothing_and_cannot_be_guessed_without_the_secret() -> None:
    name = key_of(MASTER_KEY, ACCOUNT, PLACE, "aa")
    assert re.fullmatch("artifacts/[0-9a-f]{40}", name)
    assert name == key_of(MASTER_KEY, ACCOUNT, PLACE, "aa")
    assert name != key_of(bytes(32), ACCOUNT, PLACE, "aa")
