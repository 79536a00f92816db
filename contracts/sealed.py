"""Sealed values: what people wrote or got, readable only with their account's key."""

from msgspec import Struct


class StoredBox(Struct, frozen=True, kw_only=True):
    """Where a box lies that is too large for a commit (a claim check)."""

    key: str
    sha256: str
    size_bytes: int


class Sealed(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """AES-GCM of some bytes: 12 bytes of nonce, the ciphertext, 16 bytes of tag.

    Exactly one of `box` (in place) and `stored` (in storage) is given.
    """

    box: bytes | None = None
    stored: StoredBox | None = None
