"""Documents that more than one program shows: events, artifacts, an account's credits."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, structs

from contracts.commit import Recorded
from contracts.events import Artifact
from contracts.sealed import Sealed
from contracts.subjects import boundary_of
from domain.account import Account
from domain.times import text_of

# RFC 3339, in UTC.
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Url = Annotated[str, Meta(extra_json_schema={"format": "uri"})]
SEALED = {"sealed": True}  # What stands for a value that the reader may not see.


class EventDocument(Struct, kw_only=True):
    """One event. `index` counts the events of one commit, whose place in the log is `sequence`;
    `body` has the event's own fields.
    """

    sequence: int
    index: int
    type: str
    at: Time
    boundary: str
    id: str
    account: str | None
    actor: str
    correlation_id: str | None
    causation_id: str | None
    body: dict[str, Any]


class ArtifactDocument(Struct, frozen=True, kw_only=True):
    """A file or a text that a job made. A file has a URL that nobody can guess; a text is read with
    its owner's token. What is not known of it is null.
    """

    url: Url | None
    media_type: str
    width: int | None
    height: int | None
    bytes: int | None
    sha256: str | None


class CreditsDocument(Struct, frozen=True, kw_only=True):
    """An account's credits: those that it can spend, those held for open jobs, and all that were
    ever spent, granted and revoked.
    """

    available: int
    held: int
    spent: int
    granted: int
    revoked: int
    as_of: str


class WebhookRecorded(Struct, frozen=True):
    """What the provider sent is in the log."""

    status: Literal["recorded"]


def event_document(recorded: Recorded, index: int) -> EventDocument:
    """Return one event of a commit. Sealed values are not opened: who may read one puts it into
    the `body` instead.
    """
    commit = recorded.commit
    event = commit.events[index]
    boundary, boundary_id = boundary_of(recorded.subject)
    request = commit.request_of(index)
    fields = {name: getattr(event, name) for name in event.__struct_fields__}
    return EventDocument(
        sequence=recorded.sequence,
        index=index,
        type=type(event).__name__,
        at=text_of(commit.at),
        boundary=boundary,
        id=boundary_id,
        account=getattr(event, "account_id", None),
        actor=commit.actor_of(index),
        correlation_id=request.correlation_id if request is not None else None,
        causation_id=commit.causation_id,
        body={
            name: SEALED if isinstance(value, Sealed) else msgspec.to_builtins(value)
            for name, value in fields.items()
        },
    )


def event_documents(recorded: Recorded) -> list[dict[str, Any]]:
    """Return all events of a commit, as JSON shows them."""
    events = range(len(recorded.commit.events))
    return [structs.asdict(event_document(recorded, index)) for index in events]


def artifact_document(artifact: Artifact, url: str | None) -> ArtifactDocument:
    return ArtifactDocument(
        url=url,
        media_type=artifact.media_type,
        width=artifact.width,
        height=artifact.height,
        bytes=artifact.size_bytes,
        sha256=artifact.sha256,
    )


def credits_document(account: Account, as_of: str) -> CreditsDocument:
    return CreditsDocument(
        available=account.available,
        held=account.held,
        spent=account.charged,
        granted=account.granted,
        revoked=account.revoked,
        as_of=as_of,
    )
