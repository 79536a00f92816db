"""What is in a file, beyond its first bytes: whether it is whole, and how wide and high it is. Only
what tells that is read: where a file's parts begin and end, not what is in them.
"""

import struct
from collections.abc import Callable, Iterator

import msgspec
from msgspec import Struct

from domain.media_types import MediaType, is_plain

READS_MAX = 100_000  # Of one file: so many boxes, elements and chunks are looked at, at all depths.
TAIL_BYTES = 1024
SIDE_PIXELS_MAX = 16_384
Read = Callable[[int, int], bytes]  # From this byte on, so many: fewer at the file's end.


class BadContent(ValueError):
    """The file is not whole, or is not what it begins as."""


class PixelSize(Struct, frozen=True):
    width: int
    height: int


class FilePart(Struct, frozen=True):
    """A box, an element or a chunk: its name, and where its content begins and ends."""

    name: bytes
    begin: int
    end: int


def check_content(media_type: MediaType, read: Read, size_bytes: int) -> PixelSize | None:
    """Raise BadContent unless the file is whole; return a film's width and height. Pictures are not
    looked at here: they are decoded.
    """
    check = _CHECKS.get(media_type)
    return check(_counted(read), size_bytes) if check is not None else None


def _counted(read: Read) -> Read:
    """Read as `read` does, and raise BadContent at one time too many. A small file can have
    millions of parts, which would take minutes.
    """
    left = READS_MAX

    def counted(offset: int, count: int) -> bytes:
        nonlocal left
        left -= 1
        if left < 0:
            raise BadContent("the file has too many parts")
        return read(offset, count)

    return counted


def _mp4(read: Read, size_bytes: int) -> PixelSize:
    boxes = {box.name: box for box in _boxes(read, 0, size_bytes)}
    if b"moov" not in boxes:
        raise BadContent("the film has no index")
    movie = boxes[b"moov"]
    for track in _boxes(read, movie.begin, movie.end):
        if track.name == b"trak" and (found := _size_of_track(read, track)) is not None:
            return found
    raise BadContent("the film has no picture")


def _size_of_track(read: Read, track: FilePart) -> PixelSize | None:
    """Return the size that a track is shown in, as fixed-point numbers; None if it is sound."""
    for box in _boxes(read, track.begin, track.end):
        if box.name == b"tkhd":
            width, height = struct.unpack(">II", _exactly(read, box.end - 8, 8))
            return _pixels(width >> 16, height >> 16)
    return None


def _boxes(read: Read, begin: int, end: int) -> Iterator[FilePart]:
    at = begin
    while at != end:
        length, name = struct.unpack(">I4s", _exactly(read, at, 8))
        head = 8
        if length == 1:  # The true length follows.
            length, head = int.from_bytes(_exactly(read, at + 8, 8)), 16
        until = at + length if length else end
        if until < at + head or until > end:
            raise BadContent("the film is cut off")
        yield FilePart(name, at + head, until)
        at = until


def _webm(read: Read, size_bytes: int) -> PixelSize:
    elements = _elements(read, 0, size_bytes)
    segment = next((each for each in elements if each.name == b"\x18\x53\x80\x67"), None)
    if segment is None:
        raise BadContent("the film has no content")
    for tracks in _named(read, segment, b"\x16\x54\xae\x6b"):
        for track in _named(read, tracks, b"\xae"):
            for video in _named(read, track, b"\xe0"):
                sides = {each.name: each for each in _elements(read, video.begin, video.end)}
                if (found := _size_of_video(read, sides)) is not None:
                    return found
    raise BadContent("the film has no picture")


def _size_of_video(read: Read, sides: dict[bytes, FilePart]) -> PixelSize | None:
    width, height = (_number(read, sides.get(name)) for name in (b"\xb0", b"\xba"))
    return _pixels(width, height)


def _number(read: Read, element: FilePart | None) -> int:
    if element is None or element.end - element.begin > 8:  # noqa: PLR2004
        return 0
    return int.from_bytes(_exactly(read, element.begin, element.end - element.begin))


def _named(read: Read, parent: FilePart, name: bytes) -> Iterator[FilePart]:
    return (each for each in _elements(read, parent.begin, parent.end) if each.name == name)


def _elements(read: Read, begin: int, end: int) -> Iterator[FilePart]:
    """Yield EBML's elements. One whose length is not known reaches to the end."""
    at = begin
    while at < end:
        head = read(at, 12)
        id_bytes = _length_of_number(head, 4)
        length_bytes = _length_of_number(head[id_bytes:], 8)
        digits = head[id_bytes : id_bytes + length_bytes]
        if len(digits) < length_bytes:
            raise BadContent("the film is cut off")
        all_ones = (1 << 7 * length_bytes) - 1
        length = int.from_bytes(digits) & all_ones
        content = at + id_bytes + length_bytes
        until = end if length == all_ones else content + length
        if until > end:
            raise BadContent("the film is cut off")
        yield FilePart(head[:id_bytes], content, until)
        at = until


def _length_of_number(text: bytes, most: int) -> int:
    """Count the bytes of a number: the first one's leading zeros tell how many there are."""
    length = 9 - text[0].bit_length() if text else most + 1
    if length > most:
        raise BadContent("the film is broken")
    return length


def _mp3(read: Read, size_bytes: int) -> None:
    """Find two frames, one behind the other: a sync word alone could stand in any file."""
    at = 0
    if (tag := read(0, 10)).startswith(b"ID3"):
        at = 10 + sum((byte & 0x7F) << 7 * (3 - place) for place, byte in enumerate(tag[6:10]))
    for _ in range(2):
        at += _frame_bytes(_exactly(read, at, 4))
    if at > size_bytes:
        raise BadContent("the sound is cut off")


_RATES_OF_MPEG_1 = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_RATES_OF_MPEG_2 = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_SAMPLES = (44_100, 48_000, 32_000)


def _frame_bytes(head: bytes) -> int:
    """Return the length of a frame of layer III, from its four bytes of header."""
    version, rate, samples = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    is_layer_3 = head[0] == 0xFF and head[1] >> 5 == 7 and head[1] >> 1 & 3 == 1  # noqa: PLR2004
    if not is_layer_3 or version == 1 or rate in {0, 15} or samples == 3:  # noqa: PLR2004
        raise BadContent("the sound has no frames")
    if version == 3:  # noqa: PLR2004 - MPEG 1; 2 is half the samples, 2.5 a quarter.
        return 144_000 * _RATES_OF_MPEG_1[rate - 1] // _SAMPLES[samples] + (head[2] >> 1 & 1)
    slower = 2 if version == 2 else 4  # noqa: PLR2004
    frequency = _SAMPLES[samples] // slower
    return 72_000 * _RATES_OF_MPEG_2[rate - 1] // frequency + (head[2] >> 1 & 1)


def _wav(read: Read, size_bytes: int) -> None:
    names, at = set(), 12
    while b"data" not in names and at + 8 <= size_bytes:
        name, length = struct.unpack("<4sI", _exactly(read, at, 8))
        names.add(name)
        at += 8 + length + length % 2
    is_streamed = read(4, 4) in {b"\xff\xff\xff\xff", bytes(4)}  # Its length was not known.
    if not {b"fmt ", b"data"} <= names or (at > size_bytes + 1 and not is_streamed):
        raise BadContent("the sound is cut off")


def _pdf(read: Read, size_bytes: int) -> None:
    if b"%%EOF" not in read(max(size_bytes - TAIL_BYTES, 0), TAIL_BYTES):
        raise BadContent("the PDF is cut off")


def _glb(read: Read, size_bytes: int) -> None:
    length, first, name = struct.unpack("<II4s", _exactly(read, 8, 12))
    if length != size_bytes or name != b"JSON" or 20 + first > size_bytes:
        raise BadContent("the model is cut off")


def _json(read: Read, size_bytes: int) -> None:
    text = _text(read, size_bytes)
    try:
        msgspec.json.decode(text.removeprefix(b"\xef\xbb\xbf"), type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadContent(f"the JSON is broken: {error}") from None


def _text(read: Read, size_bytes: int) -> bytes:
    text = read(0, size_bytes)
    if not is_plain(text):
        raise BadContent("the text is not UTF-8, or has control characters")
    return text


def _plain_text(read: Read, size_bytes: int) -> None:
    _text(read, size_bytes)


def _exactly(read: Read, at: int, count: int) -> bytes:
    found = read(at, count) if at >= 0 else b""
    if len(found) < count:
        raise BadContent("the file is cut off")
    return found


def _pixels(width: int, height: int) -> PixelSize | None:
    is_sane = 0 < width <= SIDE_PIXELS_MAX and 0 < height <= SIDE_PIXELS_MAX
    return PixelSize(width, height) if is_sane else None


_CHECKS: dict[MediaType, Callable[[Read, int], PixelSize | None]] = {
    MediaType.MP4: _mp4,
    MediaType.WEBM: _webm,
    MediaType.MP3: _mp3,
    MediaType.WAV: _wav,
    MediaType.PDF: _pdf,
    MediaType.GLB: _glb,
    MediaType.JSON: _json,
    MediaType.TEXT: _plain_text,
}
