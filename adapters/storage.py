"""Storage: artifacts and large bodies. Files in the data folder are one (`adapters/files.py`), S3
and R2 the other (`adapters/s3.py`).
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import IO, Protocol

from msgspec import Struct

from domain.media_types import OF_EXTENSION

PART_BYTES = 256 * 1024  # What is read at a time: a download holds one or two parts in memory.
STAGED_IN_MEMORY_BYTES = 1024 * 1024  # A staged file that is larger lies on disk.
OTHER_MEDIA_TYPE = "application/octet-stream"
_KEY = re.compile(r"[a-z0-9]+(/[A-Za-z0-9_-]+)*(\.[a-z0-9]{1,8})?", re.ASCII)


class StorageUnavailable(Exception):
    """The store did not answer, or refused. Nothing half-written is visible."""


class BadKey(ValueError):
    """The text cannot be a storage key."""


class StoredObject(Struct, frozen=True):
    """An object that is there. Between two parts nothing is held open. `read` returns the bytes
    from an offset on, at most PART_BYTES, and None when the object is gone.
    """

    key: str
    size_bytes: int
    read: Callable[[int, int], Awaitable[bytes | None]]

    @property
    def media_type(self) -> str:
        return media_type_of(self.key)

    async def parts(self, begin: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Yield the bytes from `begin` to before `end`; raise StorageUnavailable when the rest
        cannot be read.
        """
        until = self.size_bytes if end is None else end
        while begin < until:
            part = await self.read(begin, min(PART_BYTES, until - begin))
            if not part:
                raise StorageUnavailable(f"{self.key} went while it was read")
            yield part
            begin += len(part)


class Storage(Protocol):
    """Keys are `folder/name.ext`; writing the same key again replaces the object whole."""

    async def put(self, key: str, body: bytes) -> None: ...

    def staged(self) -> IO[bytes]:
        """Open a file without a name, which is gone when it is closed, for `put_file`."""
        ...

    async def put_file(self, key: str, file: IO[bytes]) -> None:
        """Put what a file has, from its beginning on, piece by piece."""
        ...

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
    return OF_EXTENSION.get(key.rpartition(".")[2], OTHER_MEDIA_TYPE)


def checked_key(key: str) -> str:
    if len(key) > 256 or _KEY.fullmatch(key) is None:  # noqa: PLR2004
        raise BadKey(key[:80])
    return key
