"""Attempt tokens: what makes a webhook URL unguessable, and tells whose job it is about."""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adapters.vault import NONCE_BYTES, derive
from contracts.ids import AccountId, JobId

TOKEN_LENGTH_MAX = 200


class AttemptTokens:
    """A token is the account's id, encrypted and bound to one job and one attempt.

    So it needs no table: who can present one got it from us.
    """

    def __init__(self, master_key: bytes) -> None:
        self._key = AESGCM(derive(master_key, "attempt tokens"))

    def mint(self, account: AccountId, job: JobId, attempt: int) -> str:
        nonce = os.urandom(NONCE_BYTES)
        box = self._key.encrypt(nonce, account.encode(), _about(job, attempt))
        return urlsafe_b64encode(nonce + box).decode().rstrip("=")

    def open(self, token: str, job: JobId, attempt: int) -> AccountId | None:
        """Return the account, or None for a token that is not of this job and attempt."""
        if not token.isascii() or len(token) > TOKEN_LENGTH_MAX:
            return None
        try:
            box = urlsafe_b64decode(token + "=" * (-len(token) % 4))
            account = self._key.decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], _about(job, attempt))
        except (ValueError, InvalidTag):
            return None
        return AccountId(account.decode())


def _about(job: JobId, attempt: int) -> bytes:
    return f"{job}/{attempt}".encode()
