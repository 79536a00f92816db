"""Commits to bytes and back; a commit of any version ever written decodes for ever."""

import re
from collections.abc import Callable
from typing import Any, get_args

import msgspec

from contracts.commit import Commit
from contracts.events import AnyEvent

# From the tag of a retired event version to a function that makes the next version's fields.
UPCASTERS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {}

_TAGS = frozenset(str(event.__struct_config__.tag) for event in get_args(AnyEvent))

ESCAPED_NUL = rb"\u0000"  # How JSON writes it: PostgreSQL stores every character but this.
_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Commit)


class Undecodable(ValueError):
    """The bytes are no commit that this version knows."""


class WrittenByNewer(Undecodable):
    """A newer version wrote it. Nothing is wrong: upgraded, this service goes on by itself."""


class UnknownEvent(WrittenByNewer):
    """An event of a type, or of a version of it, that this version does not know."""

    def __init__(self, tag: str) -> None:
        super().__init__(f"a newer version wrote {tag[:80]!r}: upgrade this service")
        self.tag = tag


class UnknownState(WrittenByNewer):
    """A carried state with fields that this version would lose by writing it on."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"a newer version wrote this: upgrade this service ({reason[:200]})")


def encode(commit: Commit) -> bytes:
    return _encoder.encode(commit)


def decode(body: bytes) -> Commit:
    """Return the commit; raise Undecodable, and WrittenByNewer where an upgrade helps. Current
    versions take the typed path only.

    A NUL in a text was once taken from outside. PostgreSQL keeps none, and what is in the log has
    to project for ever: it is read as the replacement character.
    """
    if ESCAPED_NUL in body:
        body = _without_nul(body)
    try:
        return _decoder.decode(body)
    except msgspec.ValidationError as error:
        return _decode_old(body, error)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Undecodable(str(error)) from error


def _without_nul(body: bytes) -> bytes:
    r"""Replace escaped NULs. `\\u0000` behind an escaped backslash is a text about one."""
    return _NUL.sub(rb"\1\\ufffd", body)


def _decode_old(body: bytes, error: msgspec.ValidationError) -> Commit:
    try:
        plain = msgspec.json.decode(body)
    except RecursionError as nested:
        raise Undecodable(str(error)) from nested
    events = plain.get("events") if isinstance(plain, dict) else None
    if not isinstance(events, list):
        raise Undecodable(str(error)) from error
    plain["events"] = [_upcast(event) for event in events]
    try:
        return msgspec.convert(plain, Commit)
    except msgspec.ValidationError as second:
        raise _reason(plain["events"], second) from second


def _reason(events: list[Any], error: msgspec.ValidationError) -> Undecodable:
    """Tell what a newer version wrote from what nobody ever wrote."""
    for tag in map(_tag, events):
        if tag and tag not in _TAGS:
            return UnknownEvent(tag)
    if "unknown field" in str(error):
        return UnknownState(str(error))
    return Undecodable(str(error))


def _tag(event: Any) -> str:
    return str(event.get("type", "")) if isinstance(event, dict) else ""


def _upcast(event: dict[str, Any]) -> dict[str, Any]:
    while (step := UPCASTERS.get(_tag(event))) is not None:
        event = step(event)
    return event
