"""Artifacts: how large and of which formats they may be, where a file lies, how long storing may
take.
"""

import hmac
import re

from msgspec import Struct

from contracts.ids import AccountId, JobId

OUTPUTS_MAX = 16  # Of one job: more would not fit into the commit of its end.
TEXT_BYTES_MAX = 1024 * 1024
FILE_BYTES_MAX = 50 * 1024 * 1024
PIXELS_MAX = 40_000_000
URL_LENGTH_MAX = 4096
DOWNLOAD_SECONDS_MAX = 60.0
STORING_SECONDS_MAX = 6 * 3600.0  # After a result came; it replaces the job's deadline.
# The picture's format -> the extension of its file, and its media type.
FORMATS = {
    "PNG": ("png", "image/png"),
    "JPEG": ("jpg", "image/jpeg"),
    "WEBP": ("webp", "image/webp"),
}
_MEDIA_TYPE = re.compile(r"[a-z]{1,20}/[A-Za-z0-9.+-]{1,60}", re.ASCII)


class ArtifactRefused(Exception):
    """The file or text can never be accepted: the job fails. `code` is the job's error code."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail


class Place(Struct, frozen=True):
    """Which of a job's artifacts it is, from 0."""

    job: JobId
    index: int


def key_of(secret: bytes, account: AccountId, place: Place, digest: str) -> str:
    """Name an artifact, without its extension: unguessable, the same when it is stored again, and
    no other job's, so that removing one job's picture takes no other's.
    """
    about = f"{account}/{place.job}/{place.index}/{digest}".encode()
    return f"artifacts/{hmac.digest(secret, about, 'sha256').hex()[:40]}"


def check_count(outputs: int) -> None:
    if outputs > OUTPUTS_MAX:
        raise ArtifactRefused("bad_result", f"more than {OUTPUTS_MAX} files and texts")


def check_text_size(size_bytes: int) -> None:
    if size_bytes > TEXT_BYTES_MAX:
        raise ArtifactRefused("bad_result", f"more than {TEXT_BYTES_MAX} bytes of text")


def check_file_size(size_bytes: int) -> None:
    if size_bytes > FILE_BYTES_MAX:
        raise ArtifactRefused("bad_result", f"more than {FILE_BYTES_MAX} bytes")


def check_picture_size(width: int, height: int) -> None:
    if width * height > PIXELS_MAX:
        raise ArtifactRefused("bad_result", f"{width} x {height} pixels")


def is_too_late(waiting_since: int, at: int) -> bool:
    """Tell whether a result could not be stored in time; both times are in microseconds."""
    return at - waiting_since > STORING_SECONDS_MAX * 1_000_000


def shown_media_type(said: str | None) -> str:
    """Return the provider's word for a file's media type if it is one: it is shown as it is."""
    return said if said and _MEDIA_TYPE.fullmatch(said) else "image/png"
