"""Films: a second of one colour, the same one for the same prompt. The MP4 is H.264 whose first
frame is not compressed and whose others change nothing; the WEBM repeats a frame that Pillow makes.
"""

import hashlib
import io
import struct

from PIL import Image

WIDTH, HEIGHT = 64, 48  # Multiples of 16, the side of H.264's macroblocks.
FRAMES = 10
FRAME_MILLISECONDS = 100
_BLOCKS = (WIDTH // 16) * (HEIGHT // 16)


class _Bits:
    """Bits of H.264: numbers of fixed length, and Golomb's of a length that they tell."""

    def __init__(self) -> None:
        self._text = ""

    def fixed(self, number: int, length: int) -> "_Bits":
        self._text += f"{number:0{length}b}"
        return self

    def golomb(self, *numbers: int) -> "_Bits":
        for number in numbers:
            digits = f"{number + 1:b}"
            self._text += "0" * (len(digits) - 1) + digits
        return self

    def block(self, content: bytes) -> "_Bits":
        """Add a macroblock as it is: its type, zeros up to a whole byte, its bytes."""
        self.golomb(25)
        self._text += "0" * (-len(self._text) % 8)
        self._text += "".join(f"{byte:08b}" for byte in content)
        return self

    def unit(self, header: int) -> bytes:
        """Return them as a unit of the stream, ended as it should be, without a start code's zeros
        within.
        """
        text = self._text + "1"
        text += "0" * (-len(text) % 8)
        body = bytearray([header])
        for byte in int(text, 2).to_bytes(len(text) // 8):
            if body[-2:] == b"\0\0" and byte <= 3:  # noqa: PLR2004
                body.append(3)
            body.append(byte)
        return bytes(body)


def mp4(prompt: str) -> bytes:
    sequence = _Bits().fixed(66, 8).fixed(0xC0, 8).fixed(10, 8)  # Baseline, level 1.
    sequence.golomb(0, 0, 2, 1).fixed(0, 1)  # Frames are shown in the order they come in.
    sequence.golomb(WIDTH // 16 - 1, HEIGHT // 16 - 1).fixed(0b1100, 4)
    picture = _Bits().golomb(0, 0).fixed(0, 2).golomb(0, 0, 0).fixed(0, 3)
    picture.golomb(0, 0, 0).fixed(0b100, 3)
    frames = [_first_frame(prompt), *(_same_again(number) for number in range(1, FRAMES))]
    samples = [_with_length(frame) for frame in frames]
    kind = _box(b"ftyp", b"isom", struct.pack(">I", 512), b"isomiso2avc1mp41")
    place = len(kind) + len(_movie(sequence.unit(0x67), picture.unit(0x68), samples, 0)) + 8
    movie = _movie(sequence.unit(0x67), picture.unit(0x68), samples, place)
    return kind + movie + _box(b"mdat", *samples)


def _first_frame(prompt: str) -> bytes:
    tint = hashlib.sha256(prompt.encode()).digest()
    bright, blue, red = 60 + tint[0] % 140, 60 + tint[1] % 140, 60 + tint[2] % 140
    slice_bits = _Bits().golomb(0, 7, 0).fixed(0, 4).golomb(0).fixed(0, 2).golomb(0, 1)
    for _ in range(_BLOCKS):
        slice_bits.block(bytes([bright] * 256 + [blue] * 64 + [red] * 64))
    return slice_bits.unit(0x65)


def _same_again(number: int) -> bytes:
    """Return a frame of which every block is skipped: it is as in the frame before."""
    slice_bits = _Bits().golomb(0, 5, 0).fixed(number % 16, 4).fixed(0, 3)
    return slice_bits.golomb(0, 1, _BLOCKS).unit(0x61)


def _movie(sequence: bytes, picture: bytes, samples: list[bytes], place: int) -> bytes:
    duration = FRAMES * FRAME_MILLISECONDS
    matrix = struct.pack(">9I", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    head = struct.pack(">5I", 0, 0, 0, 1000, duration)
    head += struct.pack(">IH10x", 1 << 16, 1 << 8) + matrix + bytes(24) + struct.pack(">I", 2)
    shown = struct.pack(">6I", 3, 0, 0, 1, 0, duration) + bytes(16) + matrix
    shown += struct.pack(">II", WIDTH << 16, HEIGHT << 16)
    media = struct.pack(">5IHH", 0, 0, 0, 1000, duration, 0x55C4, 0)  # No language.
    handler = bytes(8) + b"vide" + bytes(12) + b"film\0"
    reference = _box(b"dref", struct.pack(">II", 0, 1), _box(b"url ", struct.pack(">I", 1)))
    content = _box(
        b"minf",
        _box(b"vmhd", struct.pack(">I8x", 1)),
        _box(b"dinf", reference),
        _samples_box(sequence, picture, samples, place),
    )
    mdia = _box(b"mdia", _box(b"mdhd", media), _box(b"hdlr", handler), content)
    return _box(b"moov", _box(b"mvhd", head), _box(b"trak", _box(b"tkhd", shown), mdia))


def _samples_box(sequence: bytes, picture: bytes, samples: list[bytes], place: int) -> bytes:
    """Tell where each sample lies: all of them are one chunk."""
    config = b"\x01" + sequence[1:4] + b"\xff\xe1"
    config += struct.pack(">H", len(sequence)) + sequence + b"\x01"
    config += struct.pack(">H", len(picture)) + picture
    entry = struct.pack(">6xH16xHHIIIH32xHh", 1, WIDTH, HEIGHT, 72 << 16, 72 << 16, 0, 1, 24, -1)
    sizes = struct.pack(f">3I{FRAMES}I", 0, 0, FRAMES, *map(len, samples))
    return _box(
        b"stbl",
        _box(b"stsd", struct.pack(">II", 0, 1), _box(b"avc1", entry, _box(b"avcC", config))),
        _box(b"stts", struct.pack(">4I", 0, 1, FRAMES, FRAME_MILLISECONDS)),
        _box(b"stss", struct.pack(">3I", 0, 1, 1)),
        _box(b"stsc", struct.pack(">5I", 0, 1, 1, FRAMES, 1)),
        _box(b"stsz", sizes),
        _box(b"stco", struct.pack(">3I", 0, 1, place)),
    )


def _with_length(unit: bytes) -> bytes:
    return struct.pack(">I", len(unit)) + unit


def _box(name: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + name + body


def webm(prompt: str) -> bytes:
    frame = _vp8_frame(prompt)
    header = _element("1a45dfa3", _element("4282", b"webm"), _element("4287", b"\x02"))
    duration = struct.pack(">d", FRAMES * FRAME_MILLISECONDS)
    made_by = _element("4d80", b"simulator") + _element("5741", b"simulator")
    millisecond = _element("2ad7b1", b"\x0f\x42\x40")
    about = _element("1549a966", millisecond, made_by, _element("4489", duration))
    sides = _element("b0", bytes([WIDTH])), _element("ba", bytes([HEIGHT]))
    numbers = _element("d7", b"\x01") + _element("73c5", b"\x01") + _element("83", b"\x01")
    track = _element("ae", numbers, _element("86", b"V_VP8"), _element("e0", *sides))
    blocks = [
        _element("a3", b"\x81", struct.pack(">hB", number * FRAME_MILLISECONDS, 0x80), frame)
        for number in range(FRAMES)
    ]
    cluster = _element("1f43b675", _element("e7", b"\x00"), *blocks)
    return header + _element("18538067", about, _element("1654ae6b", track), cluster)


def _vp8_frame(prompt: str) -> bytes:
    """Take the frame out of a WEBP, which is one of VP8 in a file."""
    tint = hashlib.sha256(prompt.encode()).digest()
    body = io.BytesIO()
    Image.new("RGB", (WIDTH, HEIGHT), (tint[0], tint[1], tint[2])).save(body, "WEBP", quality=50)
    found = body.getvalue()
    length = int.from_bytes(found[16:20], "little")
    return found[20 : 20 + length]


def _element(name: str, *parts: bytes) -> bytes:
    """Return an element of EBML; lengths are always written in four bytes."""
    body = b"".join(parts)
    return bytes.fromhex(name) + struct.pack(">I", 0x10000000 | len(body)) + body
