"""Downloads files from allowed hosts, piece by piece, into files that have no name yet."""

import asyncio
import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

import httpx

from adapters.storage import Storage, StorageUnavailable
from domain.artifacts import URL_LENGTH_MAX, ArtifactRefused, check_file_size, recognise
from domain.media_types import MediaType

PIECE_BYTES = 256 * 1024
STAGED_BYTES_MAX = 2 * 1024**3  # Of all files that are being downloaded or stored at a time.
AS_IT_IS = {"Accept-Encoding": "identity"}  # A compressed answer's length would say nothing.
GONE_STATUSES = {400, 404, 410, 451}  # The host will never have the file.
_PLAIN_URL = re.compile(r"https://([a-z0-9.:-]+)/[!-~]*", re.ASCII)


class FileUnavailable(Exception):
    """The file cannot be had right now: the job waits."""


class StagedFile:
    """A file on its way from its host to storage."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.size_bytes = 0
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def append(self, piece: bytes) -> None:
        self._digest.update(piece)
        self.file.write(piece)

    def read(self, offset: int, count: int) -> bytes:
        self.file.seek(offset)
        return self.file.read(count)


class Staging:
    """All staged files of this process, and how many bytes they have together."""

    def __init__(self, bytes_max: int = STAGED_BYTES_MAX) -> None:
        self.bytes_max = bytes_max
        self.bytes_now = 0

    @contextmanager
    def file_for(self, storage: Storage) -> Iterator[StagedFile]:
        """Yield a file that is gone afterwards; raise StorageUnavailable when the disk fails."""
        try:
            with storage.staged() as file:
                staged = StagedFile(file)
                try:
                    yield staged
                finally:
                    self.bytes_now -= staged.size_bytes
        except OSError as error:
            raise StorageUnavailable(f"no place for a file: {error}") from error

    def add(self, staged: StagedFile, count: int) -> None:
        """Count bytes before they are written; raise FileUnavailable when there are too many. The
        job then waits until others are stored.
        """
        if self.bytes_now + count > self.bytes_max:
            raise FileUnavailable("too much is being stored at this moment")
        self.bytes_now += count
        staged.size_bytes += count


def check_host(url: str, allowed: frozenset[str]) -> None:
    """Raise ArtifactRefused unless the file lies on an allowed host. The URL is read by the client
    that will fetch it, so that the two cannot differ.
    """
    if len(url) > URL_LENGTH_MAX:
        raise ArtifactRefused("bad_result", "the file's URL is too long")
    if (plain := _PLAIN_URL.fullmatch(url)) and plain[1] in allowed:
        return  # No client reads such a URL differently, and most URLs are such.
    try:
        parts = httpx.URL(url)
    except (httpx.InvalidURL, ValueError) as error:
        raise ArtifactRefused("bad_result", "the file has no usable URL") from error
    names = {f"{parts.host}:{parts.port or 443}"}
    if parts.port is None:
        names.add(parts.host)
    if parts.scheme != "https" or parts.userinfo or not names & allowed:
        raise ArtifactRefused("media_host_refused", f"{parts.scheme}://{parts.host}"[:200])


async def download(
    client: httpx.AsyncClient,
    url: str,
    accepted: Sequence[MediaType],
    staging: Staging,
    staged: StagedFile,
) -> MediaType:
    """Download a file and return what its first bytes say it is; raise ArtifactRefused as soon as
    it is of another type than those, or too large; raise FileUnavailable. The request carries no
    key of the provider's and follows no redirect.
    """
    media_type = None
    try:
        async with client.stream("GET", url, headers=AS_IT_IS) as response:
            _check_answer(response)
            async for piece in response.aiter_raw(PIECE_BYTES):
                media_type = media_type or recognise(piece, accepted)
                check_file_size(media_type, staged.size_bytes + len(piece))
                staging.add(staged, len(piece))
                await asyncio.to_thread(staged.append, piece)
            declared = response.headers.get("content-length", "")
    except (httpx.HTTPError, TimeoutError) as error:
        raise FileUnavailable(f"{type(error).__name__}: {error}") from error
    if declared.isdigit() and int(declared) > staged.size_bytes:
        raise FileUnavailable("the file is truncated")
    return media_type or recognise(b"", accepted)


def _check_answer(response: httpx.Response) -> None:
    if response.status_code in GONE_STATUSES or response.is_redirect:
        raise ArtifactRefused("bad_result", f"HTTP {response.status_code}")
    if not response.is_success:
        raise FileUnavailable(f"HTTP {response.status_code}")
    if response.headers.get("content-encoding", "identity") != "identity":
        raise ArtifactRefused("bad_result", "the file came compressed, though that was not asked")
