"""Documents that more than one program shows: events, artifacts, an account's credits."""

from typing import Any

import msgspec

from contracts.commit import Recorded
from contracts.events import Artifact
from contracts.sealed import Sealed
from contracts.subjects import boundary_of
from domain.account import Account
from domain.times import text_of

SEALED = {"sealed": True}  # What stands for a value that the reader may not see.


def event_document(recorded: Recorded, index: int) -> dict[str, Any]:
    """Return one event of a commit. Sealed values are not opened: who may read one puts it into
    the `body` instead.
    """
    commit = recorded.commit
    event = commit.events[index]
    boundary, boundary_id = boundary_of(recorded.subject)
    request = commit.request_of(index)
    fields = {name: getattr(event, name) for name in event.__struct_fields__}
    return {
        "sequence": recorded.sequence,
        "index": index,
        "type": type(event).__name__,
        "at": text_of(commit.at),
        "boundary": boundary,
        "id": boundary_id,
        "account": getattr(event, "account_id", None),
        "actor": commit.actor_of(index),
        "correlation_id": request.correlation_id if request is not None else None,
        "causation_id": commit.causation_id,
        "body": {
            name: SEALED if isinstance(value, Sealed) else msgspec.to_builtins(value)
            for name, value in fields.items()
        },
    }


def event_documents(recorded: Recorded) -> list[dict[str, Any]]:
    return [event_document(recorded, index) for index in range(len(recorded.commit.events))]


def artifact_document(artifact: Artifact, url: str | None) -> dict[str, Any]:
    return {
        "url": url,
        "media_type": artifact.media_type,
        "width": artifact.width,
        "height": artifact.height,
        "bytes": artifact.size_bytes,
        "sha256": artifact.sha256,
    }


def credits_document(account: Account, as_of: str) -> dict[str, Any]:
    return {
        "available": account.available,
        "held": account.held,
        "spent": account.charged,
        "granted": account.granted,
        "revoked": account.revoked,
        "as_of": as_of,
    }
