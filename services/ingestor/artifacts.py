"""Keeps what jobs made: texts are sealed, files are copied to our storage."""

import asyncio
import hashlib
import warnings
from collections.abc import Sequence
from typing import IO

from contracts.events import Artifact
from contracts.ids import AccountId
from domain.artifacts import (
    ArtifactRefused,
    Place,
    check_picture_size,
    check_text_size,
    key_of,
    shown_media_type,
)
from domain.job_kinds.base import Output, ProviderFile, ProviderText
from domain.media_content import BadContent, PixelSize, check_content
from domain.media_types import FORMATS, MediaType
from services.ingestor.dependencies import Ingestor
from services.ingestor.downloads import StagedFile, check_host, download

# What Pillow calls the pictures that are decoded.
PICTURES = {
    MediaType.PNG: "PNG",
    MediaType.JPEG: "JPEG",
    MediaType.WEBP: "WEBP",
    MediaType.GIF: "GIF",
}


async def keep(
    ingestor: Ingestor,
    account: AccountId,
    place: Place,
    output: Output,
    accepted: Sequence[MediaType],
) -> Artifact:
    """Keep what the provider made; raise ArtifactRefused, FileUnavailable, StorageUnavailable or
    KeysUnavailable.

    A text is sealed into the event. A file is copied to our storage; with `ARTIFACTS=link` only
    its URL is kept.
    """
    if isinstance(output, ProviderText):
        return await _seal(ingestor, account, output)
    check_host(output.url, ingestor.settings.media_hosts)
    if ingestor.settings.artifacts == "link":
        return _link(output, accepted)
    return await _copy(ingestor, account, place, output, accepted)


async def _seal(ingestor: Ingestor, account: AccountId, output: ProviderText) -> Artifact:
    body = output.text.encode(errors="replace")
    check_text_size(len(body))
    return Artifact(
        media_type=output.media_type,
        size_bytes=len(body),
        sha256=hashlib.sha256(body).hexdigest(),
        text=await ingestor.vault.seal(account, body),
    )


def _link(file: ProviderFile, accepted: Sequence[MediaType]) -> Artifact:
    media_type = shown_media_type(file.content_type, accepted)
    return Artifact(media_type=media_type, url=file.url, width=file.width, height=file.height)


async def _copy(
    ingestor: Ingestor,
    account: AccountId,
    place: Place,
    file: ProviderFile,
    accepted: Sequence[MediaType],
) -> Artifact:
    """Only a file that was looked into gets a name: until then nobody can read it."""
    with ingestor.staging.file_for(ingestor.storage) as staged:
        claimed = await download(ingestor.media, file.url, accepted, ingestor.staging, staged)
        media_type, pixels = await asyncio.to_thread(look_into, staged, claimed, accepted)
        name = key_of(ingestor.artifact_key, account, place, staged.sha256)
        key = f"{name}.{FORMATS[media_type].extension}"
        await ingestor.storage.put_file(key, staged.file)
        return Artifact(
            media_type=media_type,
            key=key,
            width=pixels.width if pixels is not None else None,
            height=pixels.height if pixels is not None else None,
            size_bytes=staged.size_bytes,
            sha256=staged.sha256,
        )


def look_into(
    staged: StagedFile, claimed: MediaType, accepted: Sequence[MediaType]
) -> tuple[MediaType, PixelSize | None]:
    """Return what a whole file is, and the size of a picture or a film; raise ArtifactRefused for
    anything that is broken. What begins as JSON and is none may be accepted as a text.
    """
    if claimed in PICTURES:
        return claimed, _decode(staged.file, PICTURES[claimed])
    try:
        return claimed, check_content(claimed, staged.read, staged.size_bytes)
    except BadContent as error:
        if claimed is MediaType.JSON and MediaType.TEXT in accepted:
            return look_into(staged, MediaType.TEXT, accepted)
        raise ArtifactRefused("bad_result", str(error)) from error


def _decode(file: IO[bytes], format_name: str) -> PixelSize:
    """Decode the whole picture; raise ArtifactRefused for anything that is none or is a bomb."""
    from PIL import Image  # noqa: PLC0415 - only a process that stores pictures pays for it.

    file.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=[format_name]) as image:
                check_picture_size(image.width, image.height)
                image.load()
                return PixelSize(image.width, image.height)
    except ArtifactRefused:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise ArtifactRefused("bad_result", str(error)) from error
    except Exception as error:
        raise ArtifactRefused("bad_result", f"not an image: {type(error).__name__}") from error
