"""Attempt tokens: they make a webhook URL unguessable, and say whose job it is about."""

from base64 import urlsafe_b64decode, urlsafe_b64encode

from adapters.sealed_box import SealedBox, derive
from contracts.ids import AccountId, JobId

TOKEN_LENGTH_MAX = 200


class AttemptTokens:
    """A token is the account's id, encrypted for one job and attempt. It needs no table: whoever
    presents one has it from us.
    """

    def __init__(self, master_key: bytes) -> None:
        self._boxes = SealedBox(derive(master_key, "attempt tokens"))

    def mint(self, account: AccountId, job: JobId, attempt: int) -> str:
        box = self._boxes.seal(account.encode(), f"{job}/{attempt}")
        return urlsafe_b64encode(box).decode().rstrip("=")

    def open(self, token: str, job: JobId, attempt: int) -> AccountId | None:
        """Return the account, or None for a token that is not of this job and attempt."""
        if not token.isascii() or len(token) > TOKEN_LENGTH_MAX:
            return None
        try:
            box = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except ValueError:
            return None
        account = self._boxes.open(box, f"{job}/{attempt}")
        return AccountId(account.decode()) if account is not None else None
