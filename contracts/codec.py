"""Commits to bytes and back; a commit of any version ever written decodes for ever."""

from collections.abc import Callable
from typing import Any

import msgspec

from contracts.commit import Commit

# From the tag of a retired event version to a function that makes the next version's fields.
UPCASTERS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {}

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Commit)


class Undecodable(ValueError):
    """The bytes are no commit that this version knows."""


def encode(commit: Commit) -> bytes:
    return _encoder.encode(commit)


def decode(body: bytes) -> Commit:
    """Return the commit; raise Undecodable. Current versions take the typed path only."""
    try:
        return _decoder.decode(body)
    except msgspec.ValidationError as error:
        return _decode_old(body, error)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Undecodable(str(error)) from error


def _decode_old(body: bytes, error: msgspec.ValidationError) -> Commit:
    try:
        plain = msgspec.json.decode(body)
    except RecursionError as nested:
        raise Undecodable(str(error)) from nested
    events = plain.get("events") if isinstance(plain, dict) else None
    if not isinstance(events, list) or not any(_tag(event) in UPCASTERS for event in events):
        raise Undecodable(str(error)) from error
    plain["events"] = [_upcast(event) for event in events]
    try:
        return msgspec.convert(plain, Commit)
    except msgspec.ValidationError as second:
        raise Undecodable(str(second)) from second


def _tag(event: Any) -> str:
    return str(event.get("type")) if isinstance(event, dict) else ""


def _upcast(event: dict[str, Any]) -> dict[str, Any]:
    while (step := UPCASTERS.get(_tag(event))) is not None:
        event = step(event)
    return event
