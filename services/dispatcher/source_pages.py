"""Source pages: read in a child process, because HTML can keep a parser busy for minutes."""

import asyncio
import sys

import msgspec
from msgspec import Struct

READ_SECONDS = 20.0


class PageUnreadable(Exception):
    """The page cannot be fetched or holds no text. The message is for the job's owner."""


class _Answer(Struct):
    text: str = ""
    error: str = "The page could not be read."


async def read_page(url: str, allowed_hosts: frozenset[str]) -> str:
    """Return the page's main text; raise PageUnreadable. Takes at most 20 s."""
    wish = msgspec.json.encode({"url": url, "allowed_hosts": sorted(allowed_hosts)})
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.dispatcher.page_reader",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(READ_SECONDS):
            output, _ = await child.communicate(wish)
    except TimeoutError:
        msg = "The page took too long to read."
        raise PageUnreadable(msg) from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    answer = _Answer()
    if child.returncode == 0:
        answer = msgspec.json.decode(output, type=_Answer)
    if not answer.text:
        raise PageUnreadable(answer.error)
    return answer.text
