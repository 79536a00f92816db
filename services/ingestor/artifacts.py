"""Keeps what jobs made: texts are sealed, files are copied to our storage."""

import asyncio
import hashlib

from contracts.events import Artifact
from contracts.ids import AccountId
from domain.artifacts import Place, check_text_size, key_of, shown_media_type
from domain.job_kinds.base import Output, ProviderFile, ProviderText
from services.ingestor.dependencies import Ingestor
from services.ingestor.downloads import check_host, decode_picture, download


async def keep(ingestor: Ingestor, account: AccountId, place: Place, output: Output) -> Artifact:
    """Keep what the provider made; raise ArtifactRefused, FileUnavailable, StorageUnavailable or
    KeysUnavailable.

    A text is sealed into the event. A file is copied to our storage; with `ARTIFACTS=link` only
    its URL is kept.
    """
    if isinstance(output, ProviderText):
        return await _seal(ingestor, account, output)
    return await _copy(ingestor, account, place, output)


async def _seal(ingestor: Ingestor, account: AccountId, output: ProviderText) -> Artifact:
    body = output.text.encode(errors="replace")
    check_text_size(len(body))
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
            media_type=shown_media_type(file.content_type),
            url=file.url,
            width=file.width,
            height=file.height,
        )
    body = await download(ingestor.media, file.url)
    picture = await asyncio.to_thread(decode_picture, body)
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
