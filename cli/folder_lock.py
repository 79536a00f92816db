"""One world in one folder: locks that the kernel releases when their holder dies. There are two,
because an `up` that was killed may leave children that are still ending: `up` alone holds the
first, its children inherit the second. Who has taken both is alone in the folder.
"""

import asyncio
import contextlib
import fcntl
import os
import shlex
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from adapters.settings import BadSetting

LOCK_FILE = "lock"
CHILDREN_FILE = "lock.children"
NAMED_SECONDS = 1.0  # For a new holder of the lock to write its name into it.
CHILDREN_SECONDS = 60.0  # Longer than a dispatcher waits for its last POST.
RETRY_SECONDS = 0.05


class FolderInUse(Exception):
    """Another process runs a world in this folder."""


@asynccontextmanager
async def held(folder: Path, tell: Callable[[str], None]) -> AsyncIterator[int]:
    """Lock the folder; yield a descriptor to be inherited. Raise FolderInUse or BadSetting."""
    with contextlib.ExitStack() as stack:
        try:
            _make_private(folder)
            own = _open(folder / LOCK_FILE, stack)
            shared = _open(folder / CHILDREN_FILE, stack)
        except OSError as error:
            reason = f"{folder} cannot be written: {error.strerror}"
            raise BadSetting(f"DARKROOM_DATA_DIR: {reason}") from None
        if not _taken(own):
            raise FolderInUse(f"{folder} is in use by {await _holder(folder)}")
        os.ftruncate(own, 0)
        os.write(own, f"process {os.getpid()} ({shlex.join(sys.orig_argv)})\n".encode())
        await _until_childless(shared, folder, tell)
        yield shared


def _make_private(folder: Path) -> None:
    """Keep other users out of a folder that is ours. One that held other things before keeps its
    mode; our own files in it are private anyway.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (folder / LOCK_FILE).exists() or (folder / "world.json").exists():
        folder.chmod(0o700)


def _open(path: Path, stack: contextlib.ExitStack) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    stack.callback(os.close, descriptor)
    return descriptor


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def _holder(folder: Path) -> str:
    """Return the name that the lock's holder wrote into it; a new holder is given time to do so."""
    text = ""
    for _ in range(int(NAMED_SECONDS / RETRY_SECONDS)):
        text = (folder / LOCK_FILE).read_text(errors="replace").strip()
        if text and _names_a_process(text):
            break
        await asyncio.sleep(RETRY_SECONDS)
    return text or "another process"


def _names_a_process(holder: str) -> bool:
    """Whether the named process exists: the file may still hold the name of an earlier holder."""
    try:
        return process_exists(int(holder.split()[1]))
    except (ValueError, IndexError):
        return False


def process_exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError as error:
        return isinstance(error, PermissionError)  # It is another user's.
    return True


async def _until_childless(shared: int, folder: Path, tell: Callable[[str], None]) -> None:
    """Wait for the children of an `up` that was killed: two brokers would destroy one store."""
    if _taken(shared):
        return
    tell("processes of an earlier run are still ending: waiting for them")
    for _ in range(int(CHILDREN_SECONDS / RETRY_SECONDS)):
        if _taken(shared):
            return
        await asyncio.sleep(RETRY_SECONDS)
    left = ", ".join(str(pid) for pid in _holders(folder / CHILDREN_FILE)) or "unknown"
    raise FolderInUse(f"{folder} is in use by processes of an earlier run that do not end: {left}")


def _holders(path: Path) -> list[int]:
    """Return the processes that have the file open, as far as /proc shows them."""
    wanted, found = str(path.resolve()), []
    for descriptor in Path("/proc").glob("[0-9]*/fd/*"):
        pid = int(descriptor.parts[2])
        with contextlib.suppress(OSError):
            if pid != os.getpid() and pid not in found and str(descriptor.readlink()) == wanted:
                found.append(pid)
    return found
