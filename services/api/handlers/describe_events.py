"""Describes events: what the history of a job shows of each, read from the contracts' own types."""

from collections.abc import Iterator
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from contracts.events import AnyEvent, CancellationAnswered, Event, JobFailed, JobRequested
from contracts.sealed import Sealed
from services.api.documents import JobInput


class SealedValue(Struct, frozen=True):
    """Something that its reader may not see, or that only the log keeps."""

    sealed: bool


# Fields that a job's owner sees otherwise than the event has them.
OWN_WORDS: dict[type[Event], dict[str, Any]] = {
    JobRequested: {"input": JobInput | None},
    JobFailed: {"message": str | None},
    CancellationAnswered: {"answer": SealedValue},
}
OF_JOBS: tuple[type[Event], ...] = tuple(
    event for event in get_args(AnyEvent) if "job_id" in event.__struct_fields__
)


def event_bodies() -> list[type[Struct]]:
    """Return a type of the body of each event that a history can show."""
    return [
        msgspec.defstruct(_body_name(event), list(_fields(event)), namespace=_documented(event))
        for event in OF_JOBS
    ]


def event_schemas(whole: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an event, which is one of those that know the body of their type."""
    events = {f"{event.__name__}Event": _schema(event, whole) for event in OF_JOBS}
    mapping = {
        event.__name__: f"#/components/schemas/{name}"
        for name, event in zip(events, OF_JOBS, strict=True)
    }
    choices = [{"$ref": reference} for reference in mapping.values()]
    discriminator = {"propertyName": "type", "mapping": mapping}
    head = {"description": whole["description"]}
    return events | {"Event": head | {"oneOf": choices, "discriminator": discriminator}}


def _schema(event: type[Event], whole: dict[str, Any]) -> dict[str, Any]:
    own = {
        "type": {"type": "string", "const": event.__name__},
        "body": {"$ref": f"#/components/schemas/{_body_name(event)}"},
    }
    text = f"The event `{event.__name__}`."
    return whole | {"description": text, "properties": whole["properties"] | own}


def _body_name(event: type[Event]) -> str:
    return f"{event.__name__}Body"


def _documented(event: type[Event]) -> dict[str, Any]:
    return {"__doc__": event.__doc__} if "__doc__" in vars(event) else {}


def _fields(event: type[Event]) -> Iterator[tuple[str, Any]]:
    own = OWN_WORDS.get(event, {})
    hints = get_type_hints(event)
    for name in event.__struct_fields__:
        yield name, own.get(name, _shown(hints[name]))


def _shown(kind: Any) -> Any:
    """Return the type of a field as it is shown: sealed values are not opened."""
    if kind is Sealed:
        return SealedValue
    if get_origin(kind) in {Union, UnionType}:
        return Union[tuple(_shown(each) for each in get_args(kind))]  # noqa: UP007
    return kind
