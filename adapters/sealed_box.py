"""Sealed boxes: AES-256-GCM under one key, with a random nonce in front."""

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NONCE_BYTES = 12


class SealedBox:
    """A box opens only with the `about` it was sealed with: it cannot stand in another's place."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, plain: bytes, about: str) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, about.encode())

    def open(self, box: bytes, about: str) -> bytes | None:
        """Return None for whatever this key did not make."""
        try:
            return self._cipher.decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], about.encode())
        except (InvalidTag, ValueError):
            return None


def derive(master_key: bytes, purpose: str) -> bytes:
    """Return 32 bytes for one purpose, so that no key serves two."""
    return HKDF(hashes.SHA256(), 32, None, f"darkroom {purpose}".encode()).derive(master_key)
