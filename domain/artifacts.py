"""Artifacts: what a kind of job may make, where a file lies, how long storing may take."""

import hmac
from collections.abc import Sequence

from msgspec import Struct

from contracts.ids import AccountId, JobId
from domain.media_types import FORMATS, HEAD_BYTES, MediaType, sniff

OUTPUTS_MAX = 16  # Of one job: more would not fit into the commit of its end.
TEXT_BYTES_MAX = 1024 * 1024
PIXELS_MAX = 40_000_000
URL_LENGTH_MAX = 4096
# How long one try to store a job's files may take: when its result comes, and when it is tried
# again. What takes longer than the first is a large file of a slow host.
FIRST_TRY_SECONDS_MAX = 60.0
LATER_TRY_SECONDS_MAX = 840.0
STORING_SECONDS_MAX = 6 * 3600.0  # After a result came; it replaces the job's deadline.


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


def check_file_size(media_type: MediaType, size_bytes: int) -> None:
    if size_bytes > FORMATS[media_type].bytes_max:
        most = FORMATS[media_type].bytes_max
        raise ArtifactRefused("bad_result", f"{media_type} of more than {most} bytes")


def recognise(head: bytes, accepted: Sequence[MediaType]) -> MediaType:
    """Return what a file's first bytes say it is; raise ArtifactRefused unless the kind of job
    makes such files. JSON is a text, too.
    """
    found = sniff(head[:HEAD_BYTES])
    if found is MediaType.JSON and found not in accepted:
        found = MediaType.TEXT
    if found is None or found not in accepted:
        wanted = ", ".join(accepted)
        raise ArtifactRefused("bad_result", f"a file of type {found or 'unknown'}, not {wanted}")
    return found


def check_picture_size(width: int, height: int) -> None:
    if width * height > PIXELS_MAX:
        raise ArtifactRefused("bad_result", f"{width} x {height} pixels")


def is_too_late(waiting_since: int, at: int) -> bool:
    """Tell whether a result could not be stored in time; both times are in microseconds."""
    return at - waiting_since > STORING_SECONDS_MAX * 1_000_000


def shown_media_type(said: str | None, accepted: Sequence[MediaType]) -> MediaType:
    """Return what to call a file that nobody has looked into: what the provider says, if the kind
    makes such files, or else what the kind makes first.
    """
    return next((each for each in accepted if each == said), accepted[0])
