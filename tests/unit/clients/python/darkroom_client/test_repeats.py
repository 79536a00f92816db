"""Calls that are tried again: what an earlier try may have done, and what it cannot have."""

from collections.abc import AsyncIterator

import httpx
import pytest
from darkroom_client import Darkroom, Problem


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    yield body


def client(first: int) -> Darkroom:
    """Everything is answered with 404, but for the first request."""
    statuses = iter([first])

    async def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(next(statuses, 404), content=_pieces(b"{}"))

    return Darkroom("http://server", "t", transport=httpx.MockTransport(answer))


async def test_a_deletion_that_was_only_refused_at_first_has_deleted_nothing() -> None:
    with pytest.raises(Problem) as refused:
        await client(429).infographs.delete("x")
    assert refused.value.status == 404


async def test_a_deletion_whose_answer_was_lost_finds_nothing_and_is_done() -> None:
    await client(504).infographs.delete("x")
