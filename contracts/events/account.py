"""Facts about one account: its credits, the work it asked for, its tokens."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from contracts.events.base import Event
from contracts.ids import AccountId, EndpointId, JobId, RunId, TokenId
from contracts.job_state import End
from contracts.sealed import Sealed


class Role(StrEnum):
    USER = "user"
    SERVICE = "service"
    OPERATOR = "operator"


class AccountOpened(Event, frozen=True, kw_only=True, tag="account.opened.v1"):
    """The account exists from here on: it stands first in its first commit.

    `owner` is the account of the service that made it, and may issue its users' tokens; None when
    an operator did. An account from before this event exists and has no owner.
    """

    account_id: AccountId
    owner: AccountId | None = None


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
    duration_class: str = ""  # What its duration depends on, beside the kind.
    exclusive_key: str | None = None  # As `character:ID`: one job at a time may be open for it.
    run_id: RunId | None = None  # The job waits until its run starts the step.
    step: int | None = None


class RequestedStep(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A step of a run and its job; with `end`, the job is an earlier run's, taken over as it is."""

    step: int
    name: str
    job_id: JobId
    end: End | None = None
    code: str | None = None  # Why a step that was taken over had failed.
    ended_at: datetime | None = None


class RunRequested(Event, frozen=True, kw_only=True, tag="run.requested.v1"):
    """Beside it, in the same commit, stand its jobs, each with a hold of its own."""

    run_id: RunId
    account_id: AccountId
    funnel: str  # A name in domain.funnels, which contracts does not import.
    project_id: str
    intake: Sealed  # JSON, as the caller sent it.
    steps: tuple[RequestedStep, ...]
    intake_id: str | None = None
    continues: RunId | None = None

    @property
    def exclusive_key(self) -> str:
        return f"project:{self.project_id}"


class AccessTokenIssued(Event, frozen=True, kw_only=True, tag="access_token.issued.v1"):
    account_id: AccountId
    token_id: TokenId
    sha256: str  # Of the token, which has 256 random bits and is kept nowhere else.
    role: Role
    secret: Sealed | None = None  # The token, where an Idempotency-Key may ask for it again.


class AccessTokenRevoked(Event, frozen=True, kw_only=True, tag="access_token.revoked.v1"):
    account_id: AccountId
    token_id: TokenId


class EndpointRegistered(Event, frozen=True, kw_only=True, tag="endpoint.registered.v1"):
    """A URL at which the account is notified; the same id again replaces what was registered.

    Once registered with `hears_owned` it stays so: a process from before that field may write the
    id again without it.

    Its secret is kept in a bucket of its own; here only where an Idempotency-Key may ask for it
    again.
    """

    account_id: AccountId
    endpoint_id: EndpointId
    url: Sealed
    types: tuple[str, ...]  # Names in domain.notifications.
    enabled: bool = True
    secret: Sealed | None = None
    hears_owned: bool = False  # Also of accounts that belong to this one. Not so before this field.


class EndpointSecretRotated(Event, frozen=True, kw_only=True, tag="endpoint.secret_rotated.v1"):
    """Deliveries are signed with another secret from here on, kept as the first one was."""

    account_id: AccountId
    endpoint_id: EndpointId
    secret: Sealed | None = None


class EndpointRemoved(Event, frozen=True, kw_only=True, tag="endpoint.removed.v1"):
    account_id: AccountId
    endpoint_id: EndpointId


class NotificationRequested(Event, frozen=True, kw_only=True, tag="notification.requested.v1"):
    """The owner wants a delivery sent once more."""

    account_id: AccountId
    endpoint_id: EndpointId
    delivery_id: str
