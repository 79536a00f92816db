"""Cursors: positions in the log as callers of the api see them, an opaque text."""

import re

from msgspec import Struct

_FORM = re.compile(r"([a-z0-9]{1,16})\.([0-9]{1,18})\.([0-9]{1,9})", re.ASCII)


class BadCursor(ValueError):
    """The text is no cursor of ours."""


class Cursor(Struct, frozen=True):
    """A position: the log's epoch, a commit's sequence, and the index of a change in it."""

    epoch: str
    sequence: int
    index: int = 0

    def __str__(self) -> str:
        return f"{self.epoch}.{self.sequence}.{self.index}"


def parse_cursor(text: str) -> Cursor:
    found = _FORM.fullmatch(text)
    if found is None:
        raise BadCursor(f"not a cursor: {text[:80]}")
    return Cursor(found[1], int(found[2]), int(found[3]))
