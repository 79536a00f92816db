"""Fingerprints of requests: they differ if the contents do. Without the key no guess of a content
can be checked with them.
"""

import hashlib
import hmac

from adapters.sealed_box import derive
from contracts.ids import AccountId


class Fingerprints:
    """Keyed, because they stand in the log: a plain hash would confirm a guess of a prompt."""

    def __init__(self, master_key: bytes) -> None:
        self._key = derive(master_key, "request fingerprints")

    def of(self, account: AccountId, content: bytes) -> str:
        """Return 64 hexadecimal digits; the same content of another account has others."""
        return hmac.digest(self._key, account.encode() + b"/" + content, hashlib.sha256).hex()
