"""Source pages: fetched and read in a child process, within limits of memory, CPU and time.

HTML can keep a parser busy for minutes, and fetching a stranger's URL is nobody's favourite guest.
The child reads `{"url", "allowed_hosts"}` on stdin and writes `{"text"}` or `{"error"}` to stdout.
"""

import asyncio
import re
import resource
import sys

import httpx
import msgspec
from msgspec import Struct

from adapters.guarded_transport import AddressRefused, GuardedTransport

READ_SECONDS = 20.0
PAGE_BYTES_MAX = 2 * 1024 * 1024
TEXT_CHARACTERS_MAX = 100_000
FETCH_SECONDS = 10.0
MEMORY_BYTES_MAX = 1024**3
CPU_SECONDS_MAX = 10
DEPTH_MAX = 1000
# Elements that have to be closed; a page may well leave a thousand paragraphs open.
_CONTAINER = re.compile(
    rb"<(/?)(?:div|span|section|article|table|ul|ol|dl|blockquote|font|b|i|em|strong|a|form)\b",
    re.IGNORECASE,
)
REDIRECTS_MAX = 5
USER_AGENT = "darkroom/1 (reads a page that its user named)"


class PageUnreadable(Exception):
    """The page cannot be fetched or holds no text. The message is for the job's owner."""


class Wish(Struct):
    url: str
    allowed_hosts: list[str]


class Answer(Struct):
    text: str = ""
    error: str = "The page could not be read."


async def read_page(url: str, allowed_hosts: frozenset[str]) -> str:
    """Return the page's main text; raise PageUnreadable. Takes at most 20 s."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.dispatcher.source_pages",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(READ_SECONDS):
            output, _ = await child.communicate(
                msgspec.json.encode(Wish(url, sorted(allowed_hosts)))
            )
    except TimeoutError:
        raise PageUnreadable("The page took too long to read.") from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    answer = Answer()
    if child.returncode == 0:
        answer = msgspec.json.decode(output, type=Answer)
    if not answer.text:
        raise PageUnreadable(answer.error)
    return answer.text


def main() -> None:
    """Be the child."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS_MAX, CPU_SECONDS_MAX))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    wish = msgspec.json.decode(sys.stdin.buffer.read(), type=Wish)
    try:
        answer = Answer(text=extract(asyncio.run(fetch(wish.url, frozenset(wish.allowed_hosts)))))
    except PageUnreadable as error:
        answer = Answer(error=str(error))
    sys.stdout.buffer.write(msgspec.json.encode(answer))


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
                    msg = "The page is too large."
                    raise PageUnreadable(msg)
    except TimeoutError:
        msg = "The page did not answer in time."
        raise PageUnreadable(msg) from None
    except AddressRefused as error:
        msg = "The page's address is not allowed."
        raise PageUnreadable(msg) from error
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        msg = "The page's server could not be reached."
        raise PageUnreadable(msg) from error
    return bytes(body)


def _check(response: httpx.Response) -> None:
    if not response.is_success:
        msg = f"The page's server answered {response.status_code}."
        raise PageUnreadable(msg)
    if not response.headers.get("content-type", "text/html").startswith("text/"):
        msg = "The page is not text."
        raise PageUnreadable(msg)


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
        msg = "The page holds no readable text."
        raise PageUnreadable(msg)
    return text[:TEXT_CHARACTERS_MAX].replace("\x00", "")


if __name__ == "__main__":
    main()
