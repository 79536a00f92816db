"""Byte ranges: which part of a file a request asks for (RFC 9110, section 14)."""

import re

from msgspec import Struct

from domain.refusals import Refused

# One range of bytes: `first-last`, `first-`, or `-count` from the end.
_RANGE = re.compile(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*", re.ASCII | re.IGNORECASE)


class ByteSpan(Struct, frozen=True):
    """Bytes from `begin` to before `end`."""

    begin: int
    end: int

    def content_range(self, size_bytes: int) -> str:
        return f"bytes {self.begin}-{self.end - 1}/{size_bytes}"


def span_of(asked: str, condition: str, etag: str, size_bytes: int) -> ByteSpan | None:
    """Read `Range`, with its condition `If-Range`. None means the whole file, which is also the
    answer to several ranges, to another unit and to what is no range; raise Refused when the file
    has none of these bytes.
    """
    found = _RANGE.fullmatch(asked.strip())
    if found is None or (condition and condition.strip() != etag):
        return None
    first, last = found.groups()
    if not first and not last:
        return None
    if not first:
        begin, end = max(size_bytes - int(last), 0), size_bytes
    else:
        begin, end = int(first), min(int(last) + 1, size_bytes) if last else size_bytes
        if last and int(last) < begin:
            return None
    if begin >= end:
        raise Refused("range_not_satisfiable", f"the file has {size_bytes} bytes", bytes=size_bytes)
    return ByteSpan(begin, end)
