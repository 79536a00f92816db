"""The AsyncAPI document: what stands on the broker, from the contracts."""

from typing import Any, get_args

import msgspec

from contracts import subjects
from contracts.announcement import Announcement
from contracts.commit import COMMIT_KINDS, Commit, CommitKind
from contracts.events import (
    AccountEvent,
    AnyEvent,
    Event,
    EvidenceEvent,
    JobEvent,
    OperatorActed,
    RunEvent,
)

REFERENCE = "#/components/schemas/{name}"
ABOUT = (
    "The broker between the services. The stream LOG is the only source of truth: each message of "
    "it is one commit, in JSON. Nobody but the services writes there; a program of your own may "
    "read it with a consumer of its own."
)
HEADERS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "Nats-Msg-Id": {"type": "string", "description": "The commit's id."},
        "Darkroom-Commit-Kind": {
            "type": "string",
            "enum": [str(kind) for kind in CommitKind],
            "description": "What the commit is about, so that it can be passed over unread.",
        },
    },
    "required": ["Nats-Msg-Id", "Darkroom-Commit-Kind"],
}
# Channel -> its subject, what stands there, and the events that its commits can hold.
LOG: dict[str, tuple[str, str, Any]] = {
    "accounts": (subjects.ACCOUNTS, "What one account's requests have changed.", AccountEvent),
    "jobs": ("log.job.*", "What was decided about one job.", JobEvent),
    "runs": ("log.run.*", "What was decided about one run.", RunEvent),
    "evidence": ("log.evidence.*", "What the outside world said.", EvidenceEvent),
    "operator": (str(subjects.OPERATOR), "What operators did.", OperatorActed),
}


def asyncapi() -> dict[str, Any]:
    """Return the whole document."""
    _, schemas = msgspec.json.schema_components([Commit, Announcement], ref_template=REFERENCE)
    channels = {name: _channel(name, *each) for name, each in LOG.items()}
    channels["changes"] = {
        "address": subjects.CHANGES,
        "description": "Which rows the projector has changed, on plain NATS: one may be lost.",
        "messages": {"Announcement": {"$ref": "#/components/messages/Announcement"}},
    }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Darkroom's broker", "version": "1", "description": ABOUT},
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": {name: _operation(name, each) for name, each in channels.items()},
        "components": {"messages": _messages(), "schemas": dict(sorted(schemas.items()))},
    }


def asyncapi_text() -> str:
    return msgspec.json.format(msgspec.json.encode(asyncapi())).decode() + "\n"


def events_of(union: Any) -> tuple[type[Event], ...]:
    return get_args(union) or (union,)


def _channel(name: str, subject: str, text: str, events: Any) -> dict[str, Any]:
    kinds = sorted({COMMIT_KINDS[event] for event in events_of(events)})
    held = ", ".join(f"`{event.__name__}`" for event in events_of(events))
    address, parameters = subject, {}
    if subject.endswith("*"):
        address = subject.replace("*", "{id}")
        parameters = {"id": {"description": f"Whose messages these are, of {name}."}}
    channel: dict[str, Any] = {
        "address": address,
        "description": f"{text} Holds {held}. In the stream {subjects.STREAM}.",
        "messages": {f"{name}Commit": {"$ref": f"#/components/messages/{name}Commit"}},
        "x-commit-kinds": kinds,
    }
    return channel | ({"parameters": parameters} if parameters else {})


def _operation(name: str, channel: dict[str, Any]) -> dict[str, Any]:
    messages = [{"$ref": f"#/channels/{name}/messages/{each}"} for each in channel["messages"]]
    reference = {"$ref": f"#/channels/{name}"}
    return {"action": "receive", "channel": reference, "messages": messages}


def _messages() -> dict[str, Any]:
    found = {f"{name}Commit": _commit(name, events) for name, (_, _, events) in LOG.items()}
    text = "The read models went from one position to another."
    payload = {"$ref": REFERENCE.format(name="Announcement")}
    return found | {"Announcement": {"summary": text, "payload": payload}}


def _commit(name: str, events: Any) -> dict[str, Any]:
    """Return a commit of a channel: of all events, it can hold those of its boundary."""
    choices = [{"$ref": REFERENCE.format(name=event.__name__)} for event in events_of(events)]
    own = {"properties": {"events": {"type": "array", "items": {"anyOf": choices}}}}
    whole = {"$ref": REFERENCE.format(name="Commit")}
    return {
        "name": f"{name}Commit",
        "summary": f"A commit of {name}: all of its events, or none.",
        "headers": HEADERS,
        "payload": {"allOf": [whole, own]},
    }


def all_events() -> set[str]:
    """Return the names of all events, for a comparison with those that the channels hold."""
    return {event.__name__ for event in get_args(AnyEvent)}
