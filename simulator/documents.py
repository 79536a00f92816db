"""Small true files of other types: sounds, a PDF, a model, JSON. The same for the same prompt."""

import hashlib
import math
import struct
from itertools import accumulate

import msgspec

from simulator.texts import text_for

SAMPLES_A_SECOND = 8000
MP3_FRAME = b"\xff\xfb\x10\xc4" + bytes(100)  # 32 kbit/s at 44.1 kHz, one channel, nothing in it.
MP3_FRAMES = 40
Corner = tuple[float, float, float]
TRIANGLE: tuple[Corner, ...] = ((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0))


def mp3(prompt: str) -> bytes:
    """Return a second of silence, with the prompt as its title."""
    title = b"\x03" + prompt[:60].encode("ascii", "replace")
    frame = b"TIT2" + struct.pack(">IH", len(title), 0) + title
    return b"ID3\x04\x00\x00" + struct.pack(">I", len(frame)) + frame + MP3_FRAME * MP3_FRAMES


def wav(prompt: str) -> bytes:
    """Return half a second of one tone."""
    hertz = 220 + hashlib.sha256(prompt.encode()).digest()[0]
    steps = range(SAMPLES_A_SECOND // 2)
    tone = bytes(128 + round(60 * math.sin(math.tau * hertz * step / 8000)) for step in steps)
    kind = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, SAMPLES_A_SECOND, SAMPLES_A_SECOND, 1, 8)
    body = b"WAVE" + kind + struct.pack("<4sI", b"data", len(tone)) + tone
    return struct.pack("<4sI", b"RIFF", len(body)) + body


def pdf(prompt: str) -> bytes:
    """Return one page with the prompt on it."""
    plain = prompt[:60].encode("ascii", "replace").decode()
    shown = "".join("?" if letter in "\\()\r\n" else letter for letter in plain)
    drawn = f"BT /F 18 Tf 40 360 Td ({shown}) Tj ET"
    page = "/Type /Page /Parent 2 0 R /MediaBox [0 0 600 400] /Contents 4 0 R"
    objects = (
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< {page} /Resources << /Font << /F 5 0 R >> >> >>",
        f"<< /Length {len(drawn)} >>\nstream\n{drawn}\nendstream",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    )
    parts = ["%PDF-1.4\n"]
    parts += [f"{number} 0 obj\n{text}\nendobj\n" for number, text in enumerate(objects, 1)]
    *places, end = accumulate(map(len, parts))
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    head = f"xref\n0 {len(parts)}\n0000000000 65535 f \n{table}"
    tail = f"trailer\n<< /Size {len(parts)} /Root 1 0 R >>\nstartxref\n{end}\n%%EOF\n"
    return ("".join(parts) + head + tail).encode()


def glb(prompt: str) -> bytes:
    """Return a model of one triangle."""
    points = b"".join(struct.pack("<3f", *corner) for corner in TRIANGLE)
    scene = {
        "asset": {"version": "2.0", "generator": "simulator"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": prompt[:60]}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "accessors": [
            {
                "bufferView": 0,
                "componentType": 5126,
                "count": len(TRIANGLE),
                "type": "VEC3",
                "min": [0, 0, 0],
                "max": [1, 1, 0],
            }
        ],
        "bufferViews": [{"buffer": 0, "byteLength": len(points)}],
        "buffers": [{"byteLength": len(points)}],
    }
    described = msgspec.json.encode(scene)
    described += b" " * (-len(described) % 4)
    chunks = struct.pack("<I4s", len(described), b"JSON") + described
    chunks += struct.pack("<I4s", len(points), b"BIN\0") + points
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def json(prompt: str) -> bytes:
    return msgspec.json.encode({"about": prompt, "text": text_for(prompt)})


def text(prompt: str) -> bytes:
    return text_for(prompt).encode()
