"""Media types: what files a job may make, how large they may be, and what their bytes say."""

import re
from enum import StrEnum

from msgspec import Struct

MEBIBYTE = 1024 * 1024
HEAD_BYTES = 4096  # So much of a file's beginning is enough to know its type.


class MediaType(StrEnum):
    PNG = "image/png"
    JPEG = "image/jpeg"
    WEBP = "image/webp"
    GIF = "image/gif"
    MP4 = "video/mp4"
    WEBM = "video/webm"
    MP3 = "audio/mpeg"
    WAV = "audio/wav"
    PDF = "application/pdf"
    GLB = "model/gltf-binary"
    JSON = "application/json"
    TEXT = "text/plain"


PICTURES = (MediaType.PNG, MediaType.JPEG, MediaType.WEBP)


class FileFormat(Struct, frozen=True):
    """How files of one media type are named, and how large they may be."""

    extension: str
    bytes_max: int


FORMATS = {
    MediaType.PNG: FileFormat("png", 50 * MEBIBYTE),
    MediaType.JPEG: FileFormat("jpg", 50 * MEBIBYTE),
    MediaType.WEBP: FileFormat("webp", 50 * MEBIBYTE),
    MediaType.GIF: FileFormat("gif", 50 * MEBIBYTE),
    MediaType.MP4: FileFormat("mp4", 512 * MEBIBYTE),
    MediaType.WEBM: FileFormat("webm", 512 * MEBIBYTE),
    MediaType.MP3: FileFormat("mp3", 128 * MEBIBYTE),
    MediaType.WAV: FileFormat("wav", 128 * MEBIBYTE),
    MediaType.PDF: FileFormat("pdf", 64 * MEBIBYTE),
    MediaType.GLB: FileFormat("glb", 128 * MEBIBYTE),
    MediaType.JSON: FileFormat("json", 8 * MEBIBYTE),  # These two are read whole to be sure.
    MediaType.TEXT: FileFormat("txt", 8 * MEBIBYTE),
}
OF_EXTENSION = {found.extension: media_type for media_type, found in FORMATS.items()}

_SIGNATURES = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), MediaType.PNG),
    (re.compile(rb"\xff\xd8\xff"), MediaType.JPEG),
    (re.compile(rb"RIFF.{4}WEBPVP8", re.DOTALL), MediaType.WEBP),
    (re.compile(rb"GIF8[79]a"), MediaType.GIF),
    # EBML's header, and in it the document's type, behind the length of that word.
    (re.compile(rb"\x1a\x45\xdf\xa3.{0,60}?\x42\x82.{1,8}?webm", re.DOTALL), MediaType.WEBM),
    # A tag in front, or a frame: the sync word, layer III, and no reserved rate.
    (re.compile(rb"ID3[\x02-\x04]|\xff[\xe2\xe3\xf2\xf3\xfa\xfb][\x10-\xeb]"), MediaType.MP3),
    (re.compile(rb"RIFF.{4}WAVE", re.DOTALL), MediaType.WAV),
    (re.compile(rb"%PDF-[12]\.[0-9]"), MediaType.PDF),
    (re.compile(rb"glTF\x02\x00\x00\x00"), MediaType.GLB),
)
_MP4_BRANDS = re.compile(rb"iso[m2-9]|mp4[12]|avc1|M4V |MSNV|dash|cmf[c2]")
# Of the same family of files: sound alone, QuickTime, and pictures.
_OTHER_BRANDS = {b"M4A ", b"M4B ", b"qt  ", b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis"}
_CONTROLS = re.compile(rb"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_MARKUP = re.compile(rb"<(!doctype|\?xml|html|head|body|script|svg)\b", re.IGNORECASE)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def sniff(head: bytes) -> MediaType | None:
    """Return what a file's first bytes say it is, None if that is nothing known. What a server
    calls the file is not asked. Text that could be JSON is called JSON.
    """
    for signature, media_type in _SIGNATURES:
        if signature.match(head):
            return media_type
    if _is_mp4(head):
        return MediaType.MP4
    return _sniff_text(head)


def _is_mp4(head: bytes) -> bool:
    """Read the first box: `ftyp`, the file's brand, a version, and brands that it agrees with."""
    length = int.from_bytes(head[:4])
    if head[4:8] != b"ftyp" or not 16 <= length <= min(len(head), HEAD_BYTES):  # noqa: PLR2004
        return False
    if head[8:12] in _OTHER_BRANDS:
        return False
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, length, 4))]
    return any(_MP4_BRANDS.fullmatch(brand) for brand in brands)


def _sniff_text(head: bytes) -> MediaType | None:
    """Take for text what is UTF-8 without control characters, and no page of a browser's."""
    text = head.removeprefix(_BYTE_ORDER_MARK).strip()
    if not text or not is_plain(head[:HEAD_BYTES], is_cut=True) or _MARKUP.match(text):
        return None
    return MediaType.JSON if text.startswith((b"{", b"[")) else MediaType.TEXT


def is_plain(text: bytes, *, is_cut: bool = False) -> bool:
    """Tell whether this is UTF-8 without control characters, or the beginning of such a text."""
    try:
        text.decode()
    except UnicodeDecodeError as error:
        is_last = is_cut and error.reason == "unexpected end of data"
        return is_last and _CONTROLS.search(text) is None
    return _CONTROLS.search(text) is None
