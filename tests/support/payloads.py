"""Reads notifications strictly: a payload has all of its fields, and no other."""

from typing import Any

import msgspec

from application.notifications import PAYLOADS, Notification


def read_strictly(body: bytes) -> Notification:
    """Return the notification; fail when the body has more, less or something else than its type's
    struct.
    """
    given: Any = msgspec.json.decode(body)
    found = msgspec.convert(given, PAYLOADS[given["type"]])
    assert msgspec.json.decode(msgspec.json.encode(found)) == given
    assert found.type.endswith(f".{found.data.status.value}")
    return found
