"""Media: fetched from allowed hosts within limits, decoded before they are believed, stored."""

import asyncio
import hashlib
import hmac
import io
import re
import warnings

import httpx
from msgspec import Struct

from contracts.events import Artifact
from contracts.ids import AccountId, JobId
from domain.job_kinds.base import Output, ProviderFile, ProviderText
from read_models import artifact_places
from read_models.jobs import Job
from services.ingestor.dependencies import Ingestor

BYTES_MAX = 50 * 1024 * 1024
PIXELS_MAX = 40_000_000
TEXT_BYTES_MAX = 1024 * 1024
FETCH_SECONDS = 60.0
URL_LENGTH_MAX = 4096
_MEDIA_TYPE = re.compile(r"[a-z]{1,20}/[A-Za-z0-9.+-]{1,60}", re.ASCII)
_PLAIN_URL = re.compile(r"https://([a-z0-9.:-]+)/[!-~]*", re.ASCII)
GONE_STATUSES = {400, 404, 410, 451}
FORMATS = {
    "PNG": ("png", "image/png"),
    "JPEG": ("jpg", "image/jpeg"),
    "WEBP": ("webp", "image/webp"),
}


class Place(Struct, frozen=True):
    """Which of a job's artifacts it is, from 0."""

    job: JobId
    index: int


class MediaRefused(Exception):
    """The file will never do. `code` is the job's error code."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail


class MediaUnavailable(Exception):
    """The file cannot be had right now: the job waits."""


class Picture(Struct, frozen=True):
    extension: str
    media_type: str
    width: int
    height: int


async def keep(ingestor: Ingestor, account: AccountId, place: Place, output: Output) -> Artifact:
    """Keep what the provider made; raise MediaRefused, MediaUnavailable, StorageUnavailable or
    KeysUnavailable.

    A text is sealed into the event. A file is copied to our storage; with `ARTIFACTS=link` only
    its URL is kept.
    """
    if isinstance(output, ProviderText):
        return await _seal(ingestor, account, output)
    return await _copy(ingestor, account, place, output)


def key_of(secret: bytes, account: AccountId, place: Place, digest: str) -> str:
    """Name an artifact, without its extension: unguessable, the same when it is stored again, and
    no other job's, so that removing one job's picture takes no other's.
    """
    about = f"{account}/{place.job}/{place.index}/{digest}".encode()
    return f"artifacts/{hmac.digest(secret, about, 'sha256').hex()[:40]}"


async def removable(ingestor: Ingestor, job: Job) -> tuple[str, ...]:
    """Return the keys of a deleted job's files. Those of before names were a job's own stay while
    another job of the account shows them.
    """
    keys = []
    for index, each in enumerate(job.artifacts):
        if each.key is None:
            continue
        own = key_of(
            ingestor.artifact_key, job.account_id, Place(job.job_id, index), each.sha256 or ""
        )
        if each.key.partition(".")[0] == own or not await _is_shared(ingestor, job, each.key):
            keys.append(each.key)
    return tuple(keys)


async def _is_shared(ingestor: Ingestor, job: Job, key: str) -> bool:
    return await ingestor.database.read(artifact_places.shown_by_another, job, key)


async def _seal(ingestor: Ingestor, account: AccountId, output: ProviderText) -> Artifact:
    body = output.text.encode(errors="replace")
    if len(body) > TEXT_BYTES_MAX:
        raise MediaRefused("bad_result", f"more than {TEXT_BYTES_MAX} bytes of text")
    return Artifact(
        media_type=output.media_type,
        size_bytes=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
        text=await ingestor.vault.seal(account, body),
    )


async def _copy(
    ingestor: Ingestor, account: AccountId, place: Place, file: ProviderFile
) -> Artifact:
    check_host(file.url, ingestor.settings.media_hosts)
    if ingestor.settings.artifacts == "link":
        return Artifact(
            media_type=_media_type(file.content_type),
            url=file.url,
            width=file.width,
            height=file.height,
        )
    body = await _fetch(ingestor.media, file.url)
    picture = await asyncio.to_thread(look_at, body)
    digest = hashlib.sha256(body).hexdigest()
    key = f"{key_of(ingestor.artifact_key, account, place, digest)}.{picture.extension}"
    await ingestor.storage.put(key, body)
    return Artifact(
        media_type=picture.media_type,
        key=key,
        width=picture.width,
        height=picture.height,
        size_bytes=len(body),
        sha256=digest,
    )


def _media_type(said: str | None) -> str:
    """Return the provider's word for it if it is one: it is shown as it is."""
    return said if said and _MEDIA_TYPE.fullmatch(said) else "image/png"


def check_host(url: str, allowed: frozenset[str]) -> None:
    """Raise MediaRefused unless the file lies on an allowed host. The URL is read by the client
    that will fetch it, so that the two cannot differ.
    """
    if len(url) > URL_LENGTH_MAX:
        raise MediaRefused("bad_result", "the file's URL is too long")
    if (plain := _PLAIN_URL.fullmatch(url)) and plain[1] in allowed:
        return  # Nobody can read it otherwise, and most are.
    try:
        parts = httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise MediaRefused("bad_result", "the file has no usable URL") from error
    names = {f"{parts.host}:{parts.port or 443}"}
    if parts.port is None:
        names.add(parts.host)
    if parts.scheme != "https" or parts.userinfo or not names & allowed:
        raise MediaRefused("media_host_refused", f"{parts.scheme}://{parts.host}"[:200])


async def _fetch(client: httpx.AsyncClient, url: str) -> bytes:
    """Without the provider's key, following no redirect, at most 50 MB in 60 s."""
    body = bytearray()
    try:
        async with asyncio.timeout(FETCH_SECONDS), client.stream("GET", url) as response:
            if response.status_code in GONE_STATUSES or response.is_redirect:
                raise MediaRefused("bad_result", f"HTTP {response.status_code}")
            if not response.is_success:
                raise MediaUnavailable(f"HTTP {response.status_code}")
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > BYTES_MAX:
                    raise MediaRefused("bad_result", f"more than {BYTES_MAX} bytes")
            declared = response.headers.get("content-length", "")
    except (httpx.HTTPError, TimeoutError, OSError) as error:
        raise MediaUnavailable(f"{type(error).__name__}: {error}") from error
    if declared.isdigit() and int(declared) > len(body):
        raise MediaUnavailable("the file is truncated")
    return bytes(body)


def look_at(body: bytes) -> Picture:
    """Decode the whole picture; raise MediaRefused for anything that is none or is a bomb."""
    from PIL import Image  # noqa: PLC0415 - only a process that stores pictures pays for it.

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(body), formats=tuple(FORMATS)) as image:
                _check_size(image.width, image.height)
                image.load()
                extension, media_type = FORMATS[str(image.format)]
                return Picture(extension, media_type, image.width, image.height)
    except MediaRefused:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise MediaRefused("bad_result", str(error)) from error
    except Exception as error:
        raise MediaRefused("bad_result", f"not an image: {type(error).__name__}") from error


def _check_size(width: int, height: int) -> None:
    if width * height > PIXELS_MAX:
        raise MediaRefused("bad_result", f"{width} x {height} pixels")
