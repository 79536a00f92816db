"""Evidence: what the outside world said. It is true in every state, so it is never refused."""

from datetime import datetime
from enum import StrEnum

from contracts.events.base import Event, EventOfJob
from contracts.ids import AccountId, EndpointId
from contracts.sealed import Sealed


class Via(StrEnum):
    WEBHOOK = "webhook"
    POLL = "poll"


class Verdict(StrEnum):
    """What the envelope of a result says; the payload inside may still be unusable."""

    OK = "ok"
    ERROR = "error"
    NO_PAYLOAD = "no_payload"  # No success and no failure: the result has to be fetched.


class LearntFrom(StrEnum):
    REPLY = "reply"  # To the POST itself.
    LISTING = "listing"  # The reply was lost; the provider lists the request.


class JobSubmitted(EventOfJob, frozen=True, kw_only=True, tag="job.submitted.v1"):
    attempt: int
    provider: str
    request_id: str
    status_url: str
    response_url: str
    cancel_url: str
    learnt_from: LearntFrom = LearntFrom.REPLY


class ResultReceived(EventOfJob, frozen=True, kw_only=True, tag="result.received.v1"):
    attempt: int
    via: Via
    request_id: str
    verdict: Verdict
    body: Sealed  # The raw bytes, as they came.


class CancellationAnswered(EventOfJob, frozen=True, kw_only=True, tag="cancellation.answered.v1"):
    """The provider's answer to a request to cancel an attempt. Without a request id there was
    nothing to cancel: the reply to the attempt's POST never came.
    """

    request_id: str
    answer: str
    attempt: int = 1


class ArtifactsRemoved(EventOfJob, frozen=True, kw_only=True, tag="artifacts.removed.v1"):
    keys: tuple[str, ...]


class NotificationSent(Event, frozen=True, kw_only=True, tag="notification.sent.v1"):
    """The customer's server took a delivery: it is not sent again, nor on replay."""

    account_id: AccountId
    endpoint_id: EndpointId
    delivery_id: str
    number: int  # Which attempt of this delivery it was, from 1.
    status: int


class NotificationFailed(Event, frozen=True, kw_only=True, tag="notification.failed.v1"):
    """An attempt was not taken. Without `not_before` the delivery is given up."""

    account_id: AccountId
    endpoint_id: EndpointId
    delivery_id: str
    number: int
    reason: str
    status: int | None = None
    not_before: datetime | None = None
    disables: bool = False  # The endpoint has failed for days, or said that it is gone.
