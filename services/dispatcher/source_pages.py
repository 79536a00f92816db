"""Source pages: fetched and read in a child process, within limits of memory, CPU and time.

HTML can keep a parser busy for minutes, and fetching a stranger's URL is nobody's favourite guest.
The child reads `{"url", "allowed_hosts"}` on stdin and writes `{"text"}` or `{"error"}` to stdout.
"""

import asyncio
import ctypes
import os
import re
import resource
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import msgspec
from msgspec import Struct

from adapters.guarded_transport import AddressRefused, GuardedTransport
from contracts.ids import AccountId
from domain.text import clean_prose

READ_SECONDS = 20.0
PAGE_BYTES_MAX = 2 * 1024 * 1024
TEXT_CHARACTERS_MAX = 100_000
FETCH_SECONDS = 10.0
READERS_MAX = 4
MEMORY_BYTES_MAX = 512 * 1024**2  # Of addresses: a page of 2 MB takes some 130.
CPU_SECONDS_MAX = 10
NICENESS = 10
CHUNK_BYTES = 64 * 1024
ANSWER_BYTES_MAX = 1024 * 1024
DEPTH_MAX = 1000
# Elements that have to be closed; a page may well leave a thousand paragraphs open.
_CONTAINER = re.compile(
    rb"<(/?)(?:div|span|section|article|table|ul|ol|dl|blockquote|font|b|i|em|strong|a|form)\b",
    re.IGNORECASE,
)
REDIRECTS_MAX = 5
USER_AGENT = "darkroom/1 (reads a page that its user named)"


_PR_SET_PDEATHSIG = 1
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
# Isolated, Python looks for packages in its own folders only; these are beside us.
_PROGRAM = (
    f"import sys; sys.path.insert(0, {str(Path(__file__).resolve().parents[2])!r}); "
    "from services.dispatcher.source_pages import main; main(int(sys.argv[1]))"
)


class PageUnreadable(Exception):
    """The page cannot be fetched or holds no text. The message is for the job's owner."""


class PageRequest(Struct):
    url: str
    allowed_hosts: list[str]


class PageAnswer(Struct):
    text: str = ""
    error: str = "The page could not be read."


class FairSlots:
    """Lets a few in at once; who waits goes in by turns of their accounts, so that one account's
    heap costs another's page a read or two.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: dict[AccountId, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def turn(self, account: AccountId) -> AsyncIterator[None]:
        await self._enter(account)
        try:
            yield
        finally:
            self._leave()

    async def _enter(self, account: AccountId) -> None:
        if self._free > 0:
            self._free -= 1
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(account, deque()).append(place)
        try:
            await place
        except asyncio.CancelledError:
            if not place.cancelled():  # It was ours already: the next one's now.
                self._leave()
            raise

    def _leave(self) -> None:
        while self._waiting:
            account = next(iter(self._waiting))
            queue = self._waiting.pop(account)
            place = queue.popleft()
            if queue:
                self._waiting[account] = queue  # Behind all others.
            if not place.done():
                place.set_result(None)
                return
        self._free += 1


_slots = FairSlots(READERS_MAX)


async def read_page(url: str, allowed_hosts: frozenset[str], account: AccountId) -> str:
    """Return the page's main text; raise PageUnreadable.

    Takes at most 20 s once it is the account's turn: a few pages are read at once.
    """
    async with _slots.turn(account):
        answer = await _ask_child(PageRequest(url, sorted(allowed_hosts)))
    if not answer.text:
        raise PageUnreadable(answer.error)
    return answer.text


async def _ask_child(wish: PageRequest) -> PageAnswer:
    """The child knows no secret: it gets no environment of ours, and reads none of Python's."""
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
            output = await _converse(child, msgspec.json.encode(wish))
    except TimeoutError:
        raise PageUnreadable("The page took too long to read.") from None
    finally:
        if child.returncode is None:
            os.killpg(child.pid, signal.SIGKILL)
            await child.wait()
    try:
        return (
            msgspec.json.decode(output, type=PageAnswer) if child.returncode == 0 else PageAnswer()
        )
    except msgspec.DecodeError:
        return PageAnswer()


async def _converse(child: asyncio.subprocess.Process, wish: bytes) -> bytes:
    """Return what the child says, cut off where no answer of ours is that long."""
    if child.stdin is None or child.stdout is None:
        return b""
    child.stdin.write(wish)
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
    """Be the child."""
    _limit(parent)
    wish = msgspec.json.decode(sys.stdin.buffer.read(), type=PageRequest)
    try:
        answer = PageAnswer(
            text=extract(asyncio.run(fetch(wish.url, frozenset(wish.allowed_hosts))))
        )
    except PageUnreadable as error:
        answer = PageAnswer(error=str(error))
    sys.stdout.buffer.write(msgspec.json.encode(answer))


def _limit(parent: int) -> None:
    """Take little, and outlive neither the time nor the parent."""
    signal.alarm(int(READ_SECONDS) + 1)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # It died before we asked to be told.
        sys.exit(1)
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS_MAX, CPU_SECONDS_MAX))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


async def fetch(url: str, allowed_hosts: frozenset[str]) -> bytes:
    """Return the page. No connection is made to a private, loopback or link-local address,
    through redirects and DNS too, unless its `host:port` is in `allowed_hosts`.
    """
    body = bytearray()
    try:
        async with (
            asyncio.timeout(FETCH_SECONDS),
            httpx.AsyncClient(
                transport=GuardedTransport(allowed_hosts),
                follow_redirects=True,
                max_redirects=REDIRECTS_MAX,
                timeout=5.0,
                headers={"User-Agent": USER_AGENT, "Accept": "text/html, text/plain;q=0.9"},
            ) as client,
            client.stream("GET", url) as response,
        ):
            _check(response)
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > PAGE_BYTES_MAX:
                    raise PageUnreadable("The page is too large.")
    except TimeoutError:
        raise PageUnreadable("The page did not answer in time.") from None
    except AddressRefused as error:
        raise PageUnreadable("The page's address is not allowed.") from error
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        raise PageUnreadable("The page's server could not be reached.") from error
    return bytes(body)


def _check(response: httpx.Response) -> None:
    if not response.is_success:
        raise PageUnreadable(f"The page's server answered {response.status_code}.")
    if not response.headers.get("content-type", "text/html").startswith("text/"):
        raise PageUnreadable("The page is not text.")


def check_depth(html: bytes) -> None:
    """Refuse what is nested deeper than any page is: some parsers are quadratic in depth."""
    depth = 0
    for found in _CONTAINER.finditer(html):
        depth = max(depth - 1, 0) if found[1] else depth + 1
        if depth > DEPTH_MAX:
            raise PageUnreadable("The page is nested too deeply.")


def extract(html: bytes) -> str:
    check_depth(html)
    import trafilatura  # noqa: PLC0415 - 50 MB and half a second, not needed for a bad page.

    text = trafilatura.extract(html.decode(errors="replace"), include_comments=False) or ""
    if not text.strip():
        raise PageUnreadable("The page holds no readable text.")
    return clean_prose(text, TEXT_CHARACTERS_MAX)
