"""The child process that reads one page, within limits of memory, CPU and time.

Customers choose the addresses, and HTML can keep a parser busy for minutes. The child reads a
PageRequest as JSON on stdin, and writes a PageAnswer to stdout.
"""

import asyncio
import ctypes
import os
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from contracts.ids import AccountId
from services.dispatcher.source_pages.fair_slots import FairSlots
from services.dispatcher.source_pages.page_text import PageUnreadable, extract, fetch

READ_SECONDS = 20.0
CHILDREN_MAX = 4
MEMORY_BYTES_MAX = 512 * 1024**2  # Address space: a page of 2 MB takes about 130 MB.
CPU_SECONDS_MAX = 10
NICENESS = 10
CHUNK_BYTES = 64 * 1024
ANSWER_BYTES_MAX = 1024 * 1024
_PR_SET_PDEATHSIG = 1
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
# Isolated (-I), Python does not look for packages beside the program: their folder is added here.
_PROGRAM = (
    f"import sys; sys.path.insert(0, {str(Path(__file__).resolve().parents[3])!r}); "
    f"from {__name__} import main; main(int(sys.argv[1]))"
)
_slots = FairSlots(CHILDREN_MAX)


class PageRequest(Struct):
    url: str
    allowed_hosts: list[str]


class PageAnswer(Struct):
    text: str = ""
    error: str = "The page could not be read."


async def read_page(url: str, allowed_hosts: frozenset[str], account: AccountId) -> str:
    """Return the page's main text; raise PageUnreadable. Takes at most 20 s from when the account
    has one of the slots.
    """
    async with _slots.slot(account):
        answer = await _ask_child(PageRequest(url, sorted(allowed_hosts)))
    if not answer.text:
        raise PageUnreadable(answer.error)
    return answer.text


async def _ask_child(request: PageRequest) -> PageAnswer:
    """Start a child and return its answer. The child gets no secret: its environment is made for
    it, and Python ignores its own variables.
    """
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-c", _PROGRAM, str(os.getpid())),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=_environment(),
        cwd="/",
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(READ_SECONDS):
            output = await _exchange(child, msgspec.json.encode(request))
    except TimeoutError:
        raise PageUnreadable("The page took too long to read.") from None
    finally:
        if child.returncode is None:
            os.killpg(child.pid, signal.SIGKILL)
            await child.wait()
    with suppress(msgspec.DecodeError):
        if child.returncode == 0:
            return msgspec.json.decode(output, type=PageAnswer)
    return PageAnswer()


async def _exchange(child: asyncio.subprocess.Process, request: bytes) -> bytes:
    """Send the request and return the output, cut off at a size that no good answer has."""
    if child.stdin is None or child.stdout is None:
        return b""
    child.stdin.write(request)
    child.stdin.close()
    output = bytearray()
    while len(output) < ANSWER_BYTES_MAX and (chunk := await child.stdout.read(CHUNK_BYTES)):
        output += chunk
    if len(output) < ANSWER_BYTES_MAX:
        await child.wait()
    return bytes(output)


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _CERTIFICATES if name in os.environ}
    return {"PATH": os.defpath, "LANG": "C.UTF-8", "MALLOC_ARENA_MAX": "2", **kept}


def main(parent: int) -> None:
    """Run in the child: answer the one request."""
    _limit_resources(parent)
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=PageRequest)
    try:
        html = asyncio.run(fetch(request.url, frozenset(request.allowed_hosts)))
        answer = PageAnswer(text=extract(html))
    except PageUnreadable as error:
        answer = PageAnswer(error=str(error))
    sys.stdout.buffer.write(msgspec.json.encode(answer))


def _limit_resources(parent: int) -> None:
    """Bound the child's memory and CPU, and end it with its time limit or its parent."""
    signal.alarm(int(READ_SECONDS) + 1)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # The parent died before the signal was asked for.
        sys.exit(1)
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS_MAX, CPU_SECONDS_MAX))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
