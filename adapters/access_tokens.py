"""Access tokens: made from 256 random bits, shown once, stored as a hash."""

import hashlib
import secrets
from uuid import uuid4

from msgspec import Struct

from contracts.events.account import Role
from contracts.ids import TokenId
from domain.tokens import IssueToken


class FreshToken(Struct, frozen=True):
    """`secret` is shown to its owner; `command` records its hash."""

    secret: str
    command: IssueToken


def fresh_token(role: Role) -> FreshToken:
    secret = f"dkr_{secrets.token_urlsafe(32)}"
    sha256 = hashlib.sha256(secret.encode()).hexdigest()
    return FreshToken(secret, IssueToken(TokenId(str(uuid4())), sha256, role))
