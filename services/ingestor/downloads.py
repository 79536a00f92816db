"""Downloads files from allowed hosts, and decodes them to be sure that they are pictures."""

import asyncio
import io
import re
import warnings

import httpx
from msgspec import Struct

from domain.artifacts import (
    DOWNLOAD_SECONDS_MAX,
    FORMATS,
    URL_LENGTH_MAX,
    ArtifactRefused,
    check_file_size,
    check_picture_size,
)

GONE_STATUSES = {400, 404, 410, 451}  # The host will never have the file.
_PLAIN_URL = re.compile(r"https://([a-z0-9.:-]+)/[!-~]*", re.ASCII)


class FileUnavailable(Exception):
    """The file cannot be had right now: the job waits."""


class Picture(Struct, frozen=True):
    extension: str
    media_type: str
    width: int
    height: int


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


async def download(client: httpx.AsyncClient, url: str) -> bytes:
    """Return the file's bytes; raise ArtifactRefused or FileUnavailable. The request carries no key
    of the provider's and follows no redirect.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(DOWNLOAD_SECONDS_MAX), client.stream("GET", url) as response:
            if response.status_code in GONE_STATUSES or response.is_redirect:
                raise ArtifactRefused("bad_result", f"HTTP {response.status_code}")
            if not response.is_success:
                raise FileUnavailable(f"HTTP {response.status_code}")
            async for chunk in response.aiter_bytes():
                body += chunk
                check_file_size(len(body))
            declared = response.headers.get("content-length", "")
    except (httpx.HTTPError, TimeoutError, OSError) as error:
        raise FileUnavailable(f"{type(error).__name__}: {error}") from error
    if declared.isdigit() and int(declared) > len(body):
        raise FileUnavailable("the file is truncated")
    return bytes(body)


def decode_picture(body: bytes) -> Picture:
    """Decode the whole picture; raise ArtifactRefused for anything that is none or is a bomb."""
    from PIL import Image  # noqa: PLC0415 - only a process that stores pictures pays for it.

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(body), formats=tuple(FORMATS)) as image:
                check_picture_size(image.width, image.height)
                image.load()
                extension, media_type = FORMATS[str(image.format)]
                return Picture(extension, media_type, image.width, image.height)
    except ArtifactRefused:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise ArtifactRefused("bad_result", str(error)) from error
    except Exception as error:
        raise ArtifactRefused("bad_result", f"not an image: {type(error).__name__}") from error
