"""Describes schemas: of bodies, answers, frames, events and notifications, from their types."""

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import json

from adapters.problems import FieldError, Problem
from application.notifications import PAYLOADS
from domain.account import AMOUNT_MAX
from domain.addresses import URL_LENGTH_MAX
from domain.funnels import COURSE_FUNNEL
from domain.job_kinds import KINDS
from domain.notifications import TYPES
from domain.refusals import CODES
from domain.statuses import JobStatus
from domain.text import ID_PATTERN, PROSE_IN_JSON_PATTERN, published
from services.api.documents import InfographDocument, StatusDocument
from services.api.frames import EVENTS
from services.api.handlers.describe_events import event_bodies, event_schemas

REFERENCE = "#/components/schemas/{name}"
# Names that say more to a client than those of our classes, which else lose their `Document`.
NAMES = {
    StatusDocument.__name__: "InfographStatus",
    InfographDocument.__name__: "ListedInfograph",
    "Artifact": "StoredArtifact",
}
TEXT = {"type": "string", "pattern": PROSE_IN_JSON_PATTERN}
# Generators of clients follow a schema into itself by way of objects, not of lists: so lists in
# lists are described three deep. Deeper ones are taken too.
LISTS_DEEP = 3
FIELDS = {
    "type": "object",
    "propertyNames": {"pattern": PROSE_IN_JSON_PATTERN},
    "additionalProperties": {"$ref": REFERENCE.format(name="Json")},
}


def _json(lists_deep: int) -> dict[str, Any]:
    """Return the schema of any JSON with so many lists in each other."""
    fields = {"$ref": REFERENCE.format(name="JsonObject")}
    choices: list[dict[str, Any]] = [{"type": ["null", "boolean", "number"]}, TEXT, fields]
    if lists_deep:
        choices.append({"type": "array", "items": _json(lists_deep - 1)})
    return {"anyOf": choices}


JSON_SCHEMAS: dict[str, Any] = {
    "Json": {"description": "Any JSON."} | _json(LISTS_DEEP),
    "JsonObject": {"description": "Any JSON object."} | FIELDS,
}
ENDPOINT_URL = {"type": "string", "format": "endpoint-url", "maxLength": URL_LENGTH_MAX}
STEP = {"type": "integer", "enum": [each.number for each in COURSE_FUNNEL.steps]}
# What a field's type cannot say, by body and field.
BOUNDS: dict[str, dict[str, dict[str, Any]]] = {
    "GenerateAll": {"intake": {"anyOf": [FIELDS | {"minProperties": 1}, TEXT | {"minLength": 1}]}},
    "Grant": {"amount": {"type": "integer", "minimum": 1, "maximum": AMOUNT_MAX}},
    "NewToken": {"account": {"type": "string", "pattern": ID_PATTERN}},
    "NewEndpoint": {"url": ENDPOINT_URL},
    "ChangedEndpoint": {"url": {"anyOf": [ENDPOINT_URL, {"type": "null"}], "default": None}},
    "RetryFailed": {
        "steps": {
            "anyOf": [
                {"type": "array", "items": STEP, "minItems": 1, "maxItems": 20},
                {"type": "null"},
            ]
        }
    },
    "Problem": {"code": {"type": "string", "enum": sorted(CODES)}},
}
TYPE_OF_ENDPOINT = {"type": "string", "enum": list(TYPES.values())}


def reference_to(kind: type) -> dict[str, str]:
    return {"$ref": REFERENCE.format(name=_shown_name(kind.__name__))}


def schema_of(annotation: Any) -> dict[str, Any]:
    """Return the schema of an answer's or a body's type; structs are named, not repeated."""
    (schema,), _ = json.schema_components([annotation], ref_template=REFERENCE)
    shown: dict[str, Any] = published(_renamed(schema))
    return shown


def schemas(types: Iterable[Any]) -> dict[str, Any]:
    """Return the JSON schemas of what bodies and answers are made of, by their names."""
    wanted = [*types, *KINDS.values(), *EVENTS.values(), *PAYLOADS.values(), Problem, FieldError]
    _, found = json.schema_components([*wanted, JobStatus, *event_bodies()], ref_template=REFERENCE)
    for body, fields in BOUNDS.items():
        found[body]["properties"] |= fields
    for body in ("NewEndpoint", "ChangedEndpoint"):
        (lists,) = (each for each in found[body]["properties"]["types"]["anyOf"] if "items" in each)
        lists["items"] = TYPE_OF_ENDPOINT
    found["CreateJob"] = _one_of_the_kinds(found["CreateJob"])
    found |= JSON_SCHEMAS | {"JobInput": _input_of_any_kind()} | _frames()
    found |= event_schemas(found.pop("EventDocument"))
    named = {
        (shown := _shown_name(name)): schema | {"title": shown} for name, schema in found.items()
    }
    if len(named) < len(found):
        raise ValueError("two schemas would have one name")
    all_schemas: dict[str, Any] = published(_renamed(named))
    return dict(sorted(all_schemas.items()))


def _shown_name(name: str) -> str:
    return NAMES.get(name, name.removesuffix("Document"))


def _renamed(schema: Any) -> Any:
    """Return a schema whose references have the names that are shown, and whose lists of words say
    that these are texts.
    """
    match schema:
        case {"$ref": str(target)}:
            name = _shown_name(target.rpartition("/")[2])
            return {"$ref": REFERENCE.format(name=name)}
        case {"enum": [str(), *_]}:
            return {"type": "string", **schema}
        case {"default": None}:  # Nothing that a client would have to send.
            return _renamed({key: each for key, each in schema.items() if key != "default"})
        case dict():
            return {key: _renamed(each) for key, each in schema.items()}
        case list() | tuple():
            return [_renamed(each) for each in schema]
        case _:
            return schema


def _one_of_the_kinds(job: dict[str, Any]) -> dict[str, Any]:
    """An input has to fit its kind."""
    choices = []
    for name, kind in KINDS.items():
        fields = {"kind": {"type": "string", "enum": [name]}, "input": reference_to(kind)}
        choices.append(job | {"properties": fields, "title": f"Create{kind.__name__}"})
    return {"description": job["description"], "oneOf": choices}


def _input_of_any_kind() -> dict[str, Any]:
    """An input that is shown may be one of a kind that is no longer made."""
    other = {"$ref": REFERENCE.format(name="JsonObject")}
    return {
        "description": "The input as it was sent; that of a kind which is no longer made, or of a "
        "step that has not begun, has other fields.",
        "anyOf": [*(reference_to(kind) for kind in KINDS.values()), other],
    }


def _frames() -> dict[str, Any]:
    """Return what a stream sends: over a WebSocket whole, else as `event`, `id` and `data`."""
    frames = {f"{event.capitalize()}Frame": _frame(event, kind) for event, kind in EVENTS.items()}
    references = [{"$ref": REFERENCE.format(name=name)} for name in frames]
    events = zip(EVENTS, references, strict=True)
    discriminator = {
        "propertyName": "event",
        "mapping": {event: reference["$ref"] for event, reference in events},
    }
    text = "One frame of a stream; `id` is the cursor to continue after."
    whole = {"description": text, "oneOf": references}
    return frames | {"StreamFrame": whole | {"discriminator": discriminator}}


def _frame(event: str, kind: type[msgspec.Struct]) -> dict[str, Any]:
    fields = {
        "event": {"type": "string", "const": event},
        "id": {"type": "string"},
        "data": reference_to(kind),
    }
    text = f"The frame `{event}` of a stream."
    return {
        "description": text,
        "type": "object",
        "properties": fields,
        "required": list(fields),
    }
