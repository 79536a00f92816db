"""Storage as objects in S3, R2 or the like."""

import asyncio
import os
from contextlib import AsyncExitStack, suppress
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import IO, Any
from urllib.parse import urlsplit

from adapters.storage import (
    STAGED_IN_MEMORY_BYTES,
    StorageUnavailable,
    StoredObject,
    checked_key,
    media_type_of,
)

UPLOAD_PART_BYTES = 8 * 1024 * 1024  # S3 takes no smaller part than 5 MiB, but for the last one.
UPLOADS_MAX = 4  # At once, of files in parts: each holds a part or two in memory.
_NOT_THERE = {"NoSuchKey", "404"}
_THERE_ALREADY = {"PreconditionFailed", "412", "ConditionalRequestConflict", "409"}


class S3Storage:
    """A bucket of S3, R2 or the like (signature version 4). `options`: botocore's endpoint, key."""

    def __init__(self, url: str, public_url: str | None, **options: str | None) -> None:
        parts = urlsplit(url)
        self._bucket = parts.netloc
        self._prefix = parts.path.strip("/")
        self._public_url = public_url.rstrip("/") if public_url else None
        self._options = options | {"region_name": os.environ.get("AWS_REGION", "auto")}
        self._stack = AsyncExitStack()
        self._client: Any = None
        self._opening = asyncio.Lock()
        self._uploading = asyncio.Semaphore(UPLOADS_MAX)

    async def put(self, key: str, body: bytes) -> None:
        await self._call("put_object", key, Body=body, ContentType=_content_type_of(key))

    def staged(self) -> IO[bytes]:
        """In the system's temporary folder, which TMPDIR names."""
        return SpooledTemporaryFile(STAGED_IN_MEMORY_BYTES)

    async def put_file(self, key: str, file: IO[bytes]) -> None:
        """Upload in parts what is larger than one. Nobody sees any of it before the last."""
        async with self._uploading:
            file.seek(0)
            first = await asyncio.to_thread(file.read, UPLOAD_PART_BYTES)
            if len(first) < UPLOAD_PART_BYTES:
                await self.put(key, first)
            else:
                await self._put_parts(key, first, file)

    async def _put_parts(self, key: str, part: bytes, file: IO[bytes]) -> None:
        upload = await self._upload(key)
        parts = list[dict[str, Any]]()
        try:
            while part:
                place = {"UploadId": upload, "PartNumber": len(parts) + 1}
                made = await self._must("upload_part", key, Body=part, **place)
                parts.append({"ETag": made["ETag"], "PartNumber": place["PartNumber"]})
                part = await asyncio.to_thread(file.read, UPLOAD_PART_BYTES)
            whole = {"MultipartUpload": {"Parts": parts}}
            await self._must("complete_multipart_upload", key, UploadId=upload, **whole)
        except BaseException:
            with suppress(StorageUnavailable):
                await self._call("abort_multipart_upload", key, UploadId=upload)
            raise

    async def _upload(self, key: str) -> str:
        kind = _content_type_of(key)
        return str((await self._must("create_multipart_upload", key, ContentType=kind))["UploadId"])

    async def create(self, key: str, body: bytes) -> bool:
        """Look first, because some stores ignore the condition and would overwrite."""
        if await self._call("head_object", key) is not None:
            return False
        kind = _content_type_of(key)
        made = await self._call("put_object", key, Body=body, ContentType=kind, IfNoneMatch="*")
        return made is not None

    async def get(self, key: str) -> bytes | None:
        found = await self._call("get_object", key)
        return None if found is None else await self._whole(found)

    async def open(self, key: str) -> StoredObject | None:
        found = await self._call("head_object", key)
        if found is None:
            return None
        return StoredObject(key, int(found["ContentLength"]), partial(self._part, key))

    async def delete(self, key: str) -> None:
        await self._call("delete_object", key)

    def public_url(self, key: str) -> str | None:
        return f"{self._public_url}/{self._path(key)}" if self._public_url else None

    async def close(self) -> None:
        await self._stack.aclose()

    def _path(self, key: str) -> str:
        return f"{self._prefix}/{checked_key(key)}" if self._prefix else checked_key(key)

    async def _part(self, key: str, offset: int, count: int) -> bytes | None:
        until = offset + count - 1
        found = await self._call("get_object", key, Range=f"bytes={offset}-{until}")
        return None if found is None else await self._whole(found)

    async def _whole(self, found: Any) -> bytes:
        async with found["Body"] as stream:
            return bytes(await stream.read())

    async def _must(self, method: str, key: str, **arguments: Any) -> Any:
        """Call what only fails when the store is in trouble."""
        made = await self._call(method, key, **arguments)
        if made is None:
            raise StorageUnavailable(f"{method} was refused")
        return made

    async def _call(self, method: str, key: str, **arguments: Any) -> Any:
        # Imported here: aioboto3 takes 60 MB, which a world with files never pays.
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        path = self._path(key)
        try:
            client = await self._connected()
            return await getattr(client, method)(Bucket=self._bucket, Key=path, **arguments)
        except ClientError as error:
            if error.response["Error"]["Code"] in _NOT_THERE | _THERE_ALREADY:
                return None
            raise StorageUnavailable(str(error)) from error
        except (BotoCoreError, OSError, TimeoutError) as error:
            raise StorageUnavailable(str(error)) from error

    async def _connected(self) -> Any:
        async with self._opening:
            if self._client is None:
                import aioboto3  # noqa: PLC0415
                from botocore.config import Config  # noqa: PLC0415

                config = Config(
                    signature_version="s3v4",
                    connect_timeout=5,
                    read_timeout=30,
                    retries={"max_attempts": 2, "mode": "standard"},
                )
                client = aioboto3.Session().client("s3", config=config, **self._options)
                self._client = await self._stack.enter_async_context(client)
            return self._client


def _content_type_of(key: str) -> str:
    """Return the header that a bucket which is public itself serves the object with."""
    media_type = media_type_of(key)
    return f"{media_type}; charset=utf-8" if media_type.startswith("text/") else media_type
