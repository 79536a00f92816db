"""Storage as files in a folder."""

import asyncio
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from secrets import token_hex
from tempfile import SpooledTemporaryFile
from typing import IO, ParamSpec, TypeVar

from adapters.storage import (
    STAGED_IN_MEMORY_BYTES,
    StorageUnavailable,
    StoredObject,
    checked_key,
)

COPIED_BYTES = 1024 * 1024  # What is copied at a time.
LEFT_SECONDS = 3600.0  # What has not been written to for so long was left: no copy is so slow.
P = ParamSpec("P")
T = TypeVar("T")


class FileStorage:
    """Files in a folder, written whole: a temporary file, flushed, then renamed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tidied_at: dict[Path, float] = {}

    async def put(self, key: str, body: bytes) -> None:
        await self.put_file(key, BytesIO(body))

    def staged(self) -> IO[bytes]:
        """On the disk that the file will lie on: a system's own temporary folder may be memory."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return SpooledTemporaryFile(STAGED_IN_MEMORY_BYTES, dir=str(self._folder))

    async def put_file(self, key: str, file: IO[bytes]) -> None:
        await self._run(self._put, checked_key(key), file)

    async def create(self, key: str, body: bytes) -> bool:
        return await self._run(self._create, checked_key(key), body)

    async def get(self, key: str) -> bytes | None:
        return await self._run(self._get, checked_key(key))

    async def open(self, key: str) -> StoredObject | None:
        size_bytes = await self._run(self._size, checked_key(key))
        if size_bytes is None:
            return None
        return StoredObject(
            key, size_bytes, lambda offset, count: self._run(self._part, key, offset, count)
        )

    async def delete(self, key: str) -> None:
        await self._run((self._folder / checked_key(key)).unlink, missing_ok=True)

    def public_url(self, key: str) -> str | None:
        del key
        return None

    async def close(self) -> None:
        return

    def _put(self, key: str, file: IO[bytes]) -> None:
        with self._written(key, file) as temporary:
            temporary.replace(self._folder / key)

    def _create(self, key: str, body: bytes) -> bool:
        if (self._folder / key).exists():
            return False
        with self._written(key, BytesIO(body)) as temporary:
            try:
                os.link(temporary, self._folder / key)
            except FileExistsError:
                return False
            return True

    @contextmanager
    def _written(self, key: str, source: IO[bytes]) -> Iterator[Path]:
        """Yield a temporary file beside the object's place, flushed to disk."""
        path = self._folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        self._tidy(path.parent)
        temporary = path.with_name(f".{token_hex(8)}.part")
        try:
            with temporary.open("wb") as file:
                source.seek(0)
                shutil.copyfileobj(source, file, COPIED_BYTES)
                file.flush()
                os.fsync(file.fileno())
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)

    def _tidy(self, folder: Path) -> None:
        """Now and then, remove what a process that was killed while it wrote left in a folder."""
        now = time.time()
        if now - self._tidied_at.get(folder, 0.0) < LEFT_SECONDS:
            return
        self._tidied_at[folder] = now
        for left in folder.glob(".*.part"):
            with suppress(FileNotFoundError):
                if now - left.stat().st_mtime > LEFT_SECONDS:
                    left.unlink()

    def _get(self, key: str) -> bytes | None:
        with suppress(FileNotFoundError):
            return (self._folder / key).read_bytes()
        return None

    def _size(self, key: str) -> int | None:
        with suppress(FileNotFoundError):
            return (self._folder / key).stat().st_size
        return None

    def _part(self, key: str, offset: int, count: int) -> bytes | None:
        with suppress(FileNotFoundError), (self._folder / key).open("rb") as file:
            return os.pread(file.fileno(), count, offset)
        return None

    async def _run(self, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        try:
            return await asyncio.to_thread(work, *arguments, **named)
        except OSError as error:
            raise StorageUnavailable(str(error)) from error
