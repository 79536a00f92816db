"""Fingerprints of requests: they tell two contents apart, and confirm no guess of one."""

import hashlib
import hmac

from adapters.vault import derive
from contracts.ids import AccountId


class Fingerprints:
    """Keyed, because a fingerprint stands in the log beside prompts that are sealed there."""

    def __init__(self, master_key: bytes) -> None:
        self._key = derive(master_key, "request fingerprints")

    def of(self, account: AccountId, content: bytes) -> str:
        """Return 64 hexadecimal digits; the same content of another account has others."""
        return hmac.digest(self._key, account.encode() + b"/" + content, hashlib.sha256).hex()
