"""A file is accepted whole or not at all, and nothing that is in it can break us."""

import random
import struct

import pytest

from domain.media_content import BadContent, PixelSize, check_content
from domain.media_types import MediaType, sniff
from tests.unit.domain.test_media_types import MADE

FILMS = (MediaType.MP4, MediaType.WEBM)
LOOKED_INTO = [each for each in MediaType if not each.startswith("image/")]


def checked(media_type: MediaType, body: bytes) -> PixelSize | None:
    return check_content(media_type, lambda at, count: body[at : at + count], len(body))


@pytest.mark.parametrize("media_type", LOOKED_INTO)
def test_a_whole_file_is_accepted_and_a_film_has_a_size(media_type: MediaType) -> None:
    assert checked(media_type, MADE[media_type]) == (
        PixelSize(64, 48) if media_type in FILMS else None
    )


@pytest.mark.parametrize("media_type", [each for each in LOOKED_INTO if each != MediaType.TEXT])
def test_half_a_file_is_refused(media_type: MediaType) -> None:
    body = MADE[media_type]
    half = body[:100] if media_type is MediaType.MP3 else body[: len(body) // 2]
    with pytest.raises(BadContent):
        checked(media_type, half)


@pytest.mark.parametrize("media_type", LOOKED_INTO)
def test_no_broken_byte_is_worse_than_a_refusal(media_type: MediaType) -> None:
    """Ten bytes anywhere in the first thousand: each file is accepted or refused."""
    dice = random.Random(7)
    outcomes = set()
    for _ in range(200):
        body = bytearray(MADE[media_type])
        for _ in range(10):
            body[dice.randrange(min(len(body), 1000))] = dice.randrange(256)
        sniff(bytes(body))
        try:
            checked(media_type, bytes(body))
            outcomes.add("accepted")
        except BadContent:
            outcomes.add("refused")
    assert "refused" in outcomes or media_type in {MediaType.PDF, MediaType.WAV}


BROKEN = {
    "a film without an index": (MediaType.MP4, b"\0\0\0\x10ftypisom\0\0\0\0\0\0\0\x08mdat"),
    "a film that is sound": (
        MediaType.MP4,
        MADE[MediaType.MP4].replace(struct.pack(">II", 64 << 16, 48 << 16), bytes(8)),
    ),
    "a film of absurd size": (
        MediaType.MP4,
        MADE[MediaType.MP4].replace(struct.pack(">II", 64 << 16, 48 << 16), b"\xff" * 8),
    ),
    "a box of no length within another": (MediaType.MP4, b"\0\0\0\x04moov"),
    "something behind the film": (MediaType.MP4, MADE[MediaType.MP4] + b"more"),
    "one frame of sound": (MediaType.MP3, b"\xff\xfb\x10\xc4" + bytes(100)),
    "text with a zero": (MediaType.TEXT, b"a\x00b"),
    "text that is no UTF-8": (MediaType.TEXT, b"a\xff"),
    "JSON with an end missing": (MediaType.JSON, b'{"a": [1, 2}'),
    "JSON of two documents": (MediaType.JSON, b"{} {}"),
    "JSON that goes very deep": (MediaType.JSON, b"[" * 200_000),
    "a model that says another length": (MediaType.GLB, MADE[MediaType.GLB] + b"more"),
}


@pytest.mark.parametrize(("media_type", "body"), BROKEN.values(), ids=BROKEN)
def test_what_is_broken_is_refused(media_type: MediaType, body: bytes) -> None:
    with pytest.raises(BadContent):
        checked(media_type, body)


def box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), name) + content


def element(name: bytes, content: bytes) -> bytes:
    return name + (0x0100000000000000 | len(content)).to_bytes(8) + content


TRACKS = [box(b"trak", box(b"free", b"") * 1_000)] * 120
ENTRIES = [element(b"\xae", b"\xec\x80" * 1_000)] * 120
OF_MANY_PARTS = {
    MediaType.MP4: box(b"moov", b"".join(TRACKS)),
    MediaType.WEBM: element(b"\x18\x53\x80\x67", element(b"\x16\x54\xae\x6b", b"".join(ENTRIES))),
}


@pytest.mark.parametrize("media_type", OF_MANY_PARTS)
def test_the_parts_of_a_film_are_counted_at_all_depths_together(media_type: MediaType) -> None:
    """A film of the size that is allowed could have 250 million, in lists of a thousand each."""
    with pytest.raises(BadContent, match="too many parts"):
        checked(media_type, OF_MANY_PARTS[media_type])


def test_a_film_whose_length_was_not_known_when_it_began_is_accepted() -> None:
    """A segment of WEBM that is written while it is made says no length."""
    body = MADE[MediaType.WEBM]
    at = body.index(b"\x18\x53\x80\x67") + 4
    assert checked(MediaType.WEBM, body[:at] + b"\x01" + b"\xff" * 7 + body[at + 4 :])


def test_sound_that_was_written_as_it_was_made_is_accepted() -> None:
    body = MADE[MediaType.WAV]
    streamed = body[:4] + b"\xff" * 4 + body[8:40] + b"\xff" * 4 + body[44:]
    assert checked(MediaType.WAV, streamed) is None


def test_large_boxes_of_a_film_have_lengths_of_eight_bytes() -> None:
    body = MADE[MediaType.MP4]
    at = body.index(b"mdat") - 4
    large = struct.pack(">I4sQ", 1, b"mdat", len(body) - at + 8) + body[at + 8 :]
    assert checked(MediaType.MP4, body[:at] + large) == PixelSize(64, 48)
