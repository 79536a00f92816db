"""Reads lists to their end, a page at a time: those with `next`, and bare arrays with a Link."""

import re
from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from msgspec import structs

from darkroom_client.calls import Call, Calls

NEXT = re.compile(r'<([^<>]*)>\s*;\s*rel="?next"?')


async def items_of(calls: Calls, call: Call[Any]) -> AsyncGenerator[Any, None]:
    """Yield every item of every page. The next page is read when it is needed."""
    cursor: str | None = None
    while True:
        query = {**call.query, "cursor": cursor}
        answer = await calls.answer(structs.replace(call, query=query))
        is_bare = isinstance(answer.value, list)
        for each in answer.value if is_bare else answer.value.items:
            yield each
        after = cursor_of(answer.headers) if is_bare else answer.value.next
        if after is None or after == cursor:
            return
        cursor = after


def cursor_of(headers: httpx.Headers) -> str | None:
    """Return the cursor of the next page, from the Link to it."""
    found = NEXT.search(headers.get("link", ""))
    return parse_qs(urlsplit(found[1]).query).get("cursor", [None])[0] if found else None
