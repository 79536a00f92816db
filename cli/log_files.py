"""Log files of the world's processes: bounded in size, private, and read for error messages. Each
process writes to its own file, so that it can go on when the supervisor has ended.
"""

import os
from pathlib import Path

BYTES_MAX = 8 * 1024 * 1024  # Of one file; what was in it before is kept beside it, as `.1`.
LAST_WORDS_BYTES = 4096
LAST_WORDS_LINES = 6


def open_log(folder: Path, name: str) -> tuple[int, int]:
    """Open a process's log for appending; return its descriptor and its size so far."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(_path(folder, name), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    return descriptor, os.fstat(descriptor).st_size


def rotate(folder: Path, name: str) -> None:
    """Move a too large log's content aside. Its process appends at the file's new end."""
    path = _path(folder, name)
    if not path.exists() or path.stat().st_size <= BYTES_MAX:
        return
    descriptor = os.open(path.with_suffix(".log.1"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with path.open("r+b") as file, os.fdopen(descriptor, "wb") as kept:
        file.seek(max(0, path.stat().st_size - BYTES_MAX))
        while chunk := file.read(BYTES_MAX):
            kept.write(chunk)
        file.truncate(0)


def last_words(folder: Path, name: str, since: int) -> str:
    """Return the last lines that a process wrote after the first `since` bytes of its log."""
    path = _path(folder, name)
    if not path.exists():
        return ""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        start = since if since <= size else 0  # The content was moved aside meanwhile.
        file.seek(max(start, size - LAST_WORDS_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    return "\n".join([line for line in lines if line.strip()][-LAST_WORDS_LINES:])


def _path(folder: Path, name: str) -> Path:
    return folder / f"{name}.log"
