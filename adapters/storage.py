"""Storage: artifacts and large bodies, as files in the data folder or as objects in S3 or R2."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import Any, ParamSpec, Protocol, TypeVar
from urllib.parse import urlsplit

from msgspec import Struct

PART_BYTES = 256 * 1024  # What is read at a time: a download holds one or two parts in memory.
MEDIA_TYPES = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp", "gif": "image/gif"}
OTHER_MEDIA_TYPE = "application/octet-stream"
_NOT_THERE = {"NoSuchKey", "404"}
_THERE_ALREADY = {"PreconditionFailed", "412", "ConditionalRequestConflict", "409"}
Part = tuple[bytes, int]  # Some bytes of an object, and the size of the whole object.
P = ParamSpec("P")
T = TypeVar("T")
_KEY = re.compile(r"[a-z0-9]+(/[A-Za-z0-9_-]+)*(\.[a-z0-9]{1,8})?", re.ASCII)


class StorageUnavailable(Exception):
    """The store did not answer, or refused. Nothing half-written is visible."""


class BadKey(ValueError):
    """The text cannot be a storage key."""


class StoredObject(Struct, frozen=True):
    """An object that is there, read part by part: between two parts nothing is held open. `parts`
    can be read once; it raises StorageUnavailable when the rest cannot be read.
    """

    media_type: str
    size_bytes: int
    parts: AsyncIterator[bytes]


class Storage(Protocol):
    """Keys are `folder/name.ext`; writing the same key again replaces the object whole."""

    async def put(self, key: str, body: bytes) -> None: ...

    async def create(self, key: str, body: bytes) -> bool:
        """Put the object unless there is one, which stays; return whether it was put."""
        ...

    async def get(self, key: str) -> bytes | None: ...

    async def open(self, key: str) -> StoredObject | None: ...

    async def delete(self, key: str) -> None: ...

    def public_url(self, key: str) -> str | None:
        """Return where anybody may read the object, if the store itself serves it."""
        ...

    async def close(self) -> None: ...


def media_type_of(key: str) -> str:
    return MEDIA_TYPES.get(key.rpartition(".")[2], OTHER_MEDIA_TYPE)


def checked_key(key: str) -> str:
    if len(key) > 256 or _KEY.fullmatch(key) is None:  # noqa: PLR2004
        raise BadKey(key[:80])
    return key


async def _opened(key: str, read: Callable[[int], Awaitable[Part | None]]) -> StoredObject | None:
    """Read the first part: that also shows whether the object exists, and its size."""
    found = await read(0)
    if found is None:
        return None
    first, size_bytes = found

    async def parts() -> AsyncIterator[bytes]:
        yield first
        offset = len(first)
        while offset < size_bytes:
            following = await read(offset)
            if following is None or not following[0]:
                raise StorageUnavailable(f"{key} went while it was read")
            yield following[0]
            offset += len(following[0])

    return StoredObject(media_type_of(key), size_bytes, parts())


class FileStorage:
    """Files in a folder, written whole: a temporary file, flushed, then renamed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, key: str, body: bytes) -> None:
        await self._run(self._put, checked_key(key), body)

    async def create(self, key: str, body: bytes) -> bool:
        return await self._run(self._create, checked_key(key), body)

    async def get(self, key: str) -> bytes | None:
        return await self._run(self._get, checked_key(key))

    async def open(self, key: str) -> StoredObject | None:
        return await _opened(key, lambda at: self._run(self._part, checked_key(key), at))

    async def delete(self, key: str) -> None:
        await self._run((self._folder / checked_key(key)).unlink, missing_ok=True)

    def public_url(self, key: str) -> str | None:
        del key
        return None

    async def close(self) -> None:
        return

    def _put(self, key: str, body: bytes) -> None:
        with self._written(key, body) as temporary:
            temporary.replace(self._folder / key)

    def _create(self, key: str, body: bytes) -> bool:
        if (self._folder / key).exists():
            return False
        with self._written(key, body) as temporary:
            try:
                os.link(temporary, self._folder / key)
            except FileExistsError:
                return False
            return True

    @contextmanager
    def _written(self, key: str, body: bytes) -> Iterator[Path]:
        """Yield a temporary file beside the object's place, flushed to disk."""
        path = self._folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{token_hex(8)}.part")
        try:
            with temporary.open("wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)

    def _get(self, key: str) -> bytes | None:
        with suppress(FileNotFoundError):
            return (self._folder / key).read_bytes()
        return None

    def _part(self, key: str, offset: int) -> Part | None:
        with suppress(FileNotFoundError), (self._folder / key).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            return os.pread(file.fileno(), PART_BYTES, offset), size
        return None

    async def _run(self, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        try:
            return await asyncio.to_thread(work, *arguments, **named)
        except OSError as error:
            raise StorageUnavailable(str(error)) from error


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

    async def put(self, key: str, body: bytes) -> None:
        await self._call("put_object", key, Body=body, ContentType=media_type_of(key))

    async def create(self, key: str, body: bytes) -> bool:
        """Look first, because some stores ignore the condition and would overwrite."""
        if await self._call("head_object", key) is not None:
            return False
        kind = media_type_of(key)
        made = await self._call("put_object", key, Body=body, ContentType=kind, IfNoneMatch="*")
        return made is not None

    async def get(self, key: str) -> bytes | None:
        found = await self._call("get_object", key)
        return None if found is None else await self._whole(found)

    async def open(self, key: str) -> StoredObject | None:
        return await _opened(key, partial(self._part, key))

    async def delete(self, key: str) -> None:
        await self._call("delete_object", key)

    def public_url(self, key: str) -> str | None:
        return f"{self._public_url}/{self._path(key)}" if self._public_url else None

    async def close(self) -> None:
        await self._stack.aclose()

    def _path(self, key: str) -> str:
        return f"{self._prefix}/{checked_key(key)}" if self._prefix else checked_key(key)

    async def _part(self, key: str, offset: int) -> Part | None:
        until = offset + PART_BYTES - 1
        found = await self._call("get_object", key, Range=f"bytes={offset}-{until}")
        if found is None:
            return None
        return await self._whole(found), int(found["ContentRange"].rpartition("/")[2])

    async def _whole(self, found: Any) -> bytes:
        async with found["Body"] as stream:
            return bytes(await stream.read())

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
