"""Pictures: an infograph drawn from its prompt, the same one for the same prompt."""

import hashlib
import io
import struct
import textwrap
import zlib
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

Canvas = ImageDraw.ImageDraw
Colour = tuple[int, int, int]

LONG_SIDES = {"1K": 1024, "2K": 2048, "4K": 4096}
BOMB_SIDE = 20_000
ADLER_BASE = 65_521


@lru_cache(maxsize=16)
def draw(prompt: str, aspect_ratio: str, resolution: str) -> bytes:
    """Return a PNG that shows the prompt, of the size that the provider would give it."""
    width, height = size_of(aspect_ratio, resolution)
    tint = hashlib.sha256(prompt.encode()).digest()
    paper = (235 + tint[0] % 20, 235 + tint[1] % 20, 235 + tint[2] % 20)
    ink = (tint[3] // 3, tint[4] // 3, tint[5] // 3)
    image = Image.new("RGB", (width, height), paper)
    canvas = ImageDraw.Draw(image)
    unit = min(width, height) // 24
    canvas.rectangle((0, 0, width, unit * 5), fill=ink)
    _write(canvas, "INFOGRAPH", (unit, unit), unit * 2, paper)
    lines = textwrap.wrap(prompt, width=max(16, int(width / unit * 1.7)))
    for number, line in enumerate(lines[: max(2, int(height / unit * 0.3))]):
        _write(canvas, line, (unit, unit * 6 + number * int(unit * 1.4)), unit, ink)
    _bars(canvas, tint, (width, height), unit, ink)
    _write(canvas, "drawn by the simulator", (unit, height - int(unit * 1.2)), unit // 2, ink)
    output = io.BytesIO()
    image.save(output, "PNG", compress_level=1)
    return output.getvalue()


def size_of(aspect_ratio: str, resolution: str) -> tuple[int, int]:
    across, down = map(int, aspect_ratio.split(":")) if ":" in aspect_ratio else (1, 1)
    longest = LONG_SIDES.get(resolution, 1024)
    if across >= down:
        return longest, longest * down // across
    return longest * across // down, longest


def _write(canvas: Canvas, text: str, at: tuple[int, int], size: int, colour: Colour) -> None:
    canvas.text(at, text, fill=colour, font=ImageFont.load_default(size=max(size, 8)))


def _bars(canvas: Canvas, tint: bytes, size: tuple[int, int], unit: int, ink: Colour) -> None:
    width, height = size
    bottom, height_max = height - unit * 2, height // 4
    for number in range(10):
        left = unit + number * (width - 2 * unit) // 10
        top = bottom - height_max * (tint[6 + number] + 20) // 275
        shade = tuple(min(255, part + 60 + number * 8) for part in ink)
        canvas.rectangle((left, top, left + unit, bottom), fill=shade)


def bomb() -> bytes:
    """Return a small PNG that would take more than a gigabyte to decode. One row is compressed, and
    repeated as it is: to compress all of them takes longer than a download may.
    """
    row = bytes(1 + BOMB_SIDE * 3)
    squeeze = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    squeezed = squeeze.compress(row) + squeeze.flush(zlib.Z_FULL_FLUSH)
    checksum = len(row) * BOMB_SIDE % ADLER_BASE << 16 | 1  # Adler-32 of nothing but zeros.
    pixels = b"\x78\xda" + squeezed * BOMB_SIDE + b"\x03\x00" + struct.pack(">I", checksum)
    head = struct.pack(">IIBBBBB", BOMB_SIDE, BOMB_SIDE, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, body) for name, body in chunks)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
