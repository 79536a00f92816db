"""Frames are read from bytes however these are cut, and within limits."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from darkroom_client import BadAnswer, Unreachable, frames
from darkroom_client.frames import Frame, frames_of

STREAM = (
    b"retry: 2000\nid: a.1.0\n\n: ping\n\n"
    b'event: job\r\nid: a.2.1\r\ndata: {"id":\r\ndata: 1}\r\n\r\n'
    b'event: gone\nid: a.3.1\ndata:{"id":"x"}\n\nevent: job\nid: cut'
)
EVENTS = [
    Frame(id="a.1.0"),
    Frame("job", "a.2.1", b'{"id":\n1}'),
    Frame("gone", "a.3.1", b'{"id":"x"}'),
]


async def parts(*given: bytes, then: float = 0.0) -> AsyncIterator[bytes]:
    for each in given:
        yield each
    await asyncio.sleep(then)


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
async def test_frames_are_read_however_the_bytes_are_cut(size: int) -> None:
    cut = [STREAM[start : start + size] for start in range(0, len(STREAM), size)]
    found = [each async for each in frames_of(parts(*cut)) if each != Frame()]
    assert found == EVENTS


async def test_silence_ends_a_stream() -> None:
    with pytest.raises(Unreachable, match="silent"):
        [each async for each in frames_of(parts(b": ping\n\n", then=60.0), 0.01)]


@pytest.mark.parametrize("line", [b"x" * 20_000, b"data: y\n" * 4_000])
async def test_a_frame_that_is_too_large_is_not_kept(
    line: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "FRAME_BYTES_MAX", 10_000)
    with pytest.raises(BadAnswer, match="more than"):
        [each async for each in frames_of(parts(line))]


async def test_a_frame_of_many_short_lines_is_too_large_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In memory a line is an object of its own, whatever is in it."""
    monkeypatch.setattr(frames, "FRAME_BYTES_MAX", 10_000)
    with pytest.raises(BadAnswer, match="more than"):
        [each async for each in frames_of(parts(b"data:\n" * 200))]


async def test_fields_of_another_meaning_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "FRAME_BYTES_MAX", 10_000)
    strange = b"".join(b"field%d: x\n" % number for number in range(5_000))
    found = [each async for each in frames_of(parts(strange, b"data: y\n\n")) if each != Frame()]
    assert found == [Frame("message", "", b"y")]


async def test_an_id_that_is_no_utf_8_ends_nothing() -> None:
    found = [each async for each in frames_of(parts(b"id: \xff\ndata: y\n\n")) if each != Frame()]
    assert found == [Frame("message", "\ufffd", b"y")]
