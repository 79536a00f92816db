"""Facts about one account: its credits, the work it asked for, its tokens."""

from datetime import datetime
from enum import StrEnum

from contracts.events.base import Event
from contracts.ids import AccountId, JobId, TokenId
from contracts.sealed import Sealed


class Role(StrEnum):
    USER = "user"
    SERVICE = "service"
    OPERATOR = "operator"


class CreditsGranted(Event, frozen=True, kw_only=True, tag="credits.granted.v1"):
    account_id: AccountId
    amount: int
    reason: str


class CreditsRevoked(Event, frozen=True, kw_only=True, tag="credits.revoked.v1"):
    account_id: AccountId
    amount: int
    reason: str


class CreditsReserved(Event, frozen=True, kw_only=True, tag="credits.reserved.v1"):
    """A hold. It belongs to exactly one job and is settled by that job's end."""

    account_id: AccountId
    job_id: JobId
    amount: int


class JobRequested(Event, frozen=True, kw_only=True, tag="job.requested.v1"):
    job_id: JobId
    account_id: AccountId
    kind: str  # A name in domain.job_kinds, which contracts does not import.
    input: Sealed  # JSON, as the caller sent it, so that a retired kind still replays.
    price_credits: int  # Frozen here: replay never re-prices.
    deadline_at: datetime
    retry_of: JobId | None = None


class AccessTokenIssued(Event, frozen=True, kw_only=True, tag="access_token.issued.v1"):
    account_id: AccountId
    token_id: TokenId
    sha256: str  # Of the token, which has 256 random bits and is kept nowhere.
    role: Role


class AccessTokenRevoked(Event, frozen=True, kw_only=True, tag="access_token.revoked.v1"):
    account_id: AccountId
    token_id: TokenId
