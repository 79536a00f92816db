"""A page's text: fetched within limits of size and time, then extracted from its HTML."""

import asyncio
import re

import httpx

from adapters.guarded_transport import AddressRefused, GuardedTransport
from domain.text import clean_prose

PAGE_BYTES_MAX = 2 * 1024 * 1024
TEXT_CHARACTERS_MAX = 100_000
FETCH_SECONDS = 10.0
REDIRECTS_MAX = 5
USER_AGENT = "darkroom/1 (reads a page that its user named)"
DEPTH_MAX = 1000
# Elements that have to be closed. A page may well leave a thousand paragraphs open.
_CONTAINER = re.compile(
    rb"<(/?)(?:div|span|section|article|table|ul|ol|dl|blockquote|font|b|i|em|strong|a|form)\b",
    re.IGNORECASE,
)


class PageUnreadable(Exception):
    """The page cannot be fetched or holds no text. The message is for the job's owner."""


async def fetch(url: str, allowed_hosts: frozenset[str]) -> bytes:
    """Return the page; raise PageUnreadable. No connection is made to a private, loopback or
    link-local address, through redirects and DNS too, unless its `host:port` is in `allowed_hosts`.
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
            _check_response(response)
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


def _check_response(response: httpx.Response) -> None:
    if not response.is_success:
        raise PageUnreadable(f"The page's server answered {response.status_code}.")
    if not response.headers.get("content-type", "text/html").startswith("text/"):
        raise PageUnreadable("The page is not text.")


def extract(html: bytes) -> str:
    """Return the page's main text; raise PageUnreadable."""
    _check_depth(html)
    import trafilatura  # noqa: PLC0415 - 50 MB and half a second, not needed for a bad page.

    text = trafilatura.extract(html.decode(errors="replace"), include_comments=False) or ""
    if not text.strip():
        raise PageUnreadable("The page holds no readable text.")
    return clean_prose(text, TEXT_CHARACTERS_MAX)


def _check_depth(html: bytes) -> None:
    """Refuse a page that is nested too deeply: some parsers take time quadratic in the depth."""
    depth = 0
    for found in _CONTAINER.finditer(html):
        depth = max(depth - 1, 0) if found[1] else depth + 1
        if depth > DEPTH_MAX:
            raise PageUnreadable("The page is nested too deeply.")
