"""Describes the API: Litestar's OpenAPI document, with the schemas that the bodies really have."""

from typing import Any

import msgspec
from litestar import Litestar
from litestar.connection import Request
from litestar.openapi.plugins import JsonRenderPlugin

from domain.account import AMOUNT_MAX
from domain.addresses import URL_LENGTH_MAX
from domain.job_kinds import KINDS
from domain.notifications import TYPES
from domain.text import ID_PATTERN, PROSE_IN_JSON_PATTERN, published
from services.api.handlers import describe_answers
from services.api.handlers.bulk_actions import BulkAction
from services.api.handlers.create_jobs import CreateInfographs, CreateJob
from services.api.handlers.describe_parameters import add_parameters
from services.api.handlers.draw_characters import DrawCharacter
from services.api.handlers.issue_tokens import Grant, NewToken
from services.api.handlers.register_endpoints import ChangedEndpoint, NewEndpoint
from services.api.handlers.request_runs import GenerateAll, RetryFailed

BODIES = (
    *(CreateInfographs, CreateJob, DrawCharacter, BulkAction, Grant, NewToken),
    *(ChangedEndpoint, NewEndpoint, GenerateAll, RetryFailed),
)
REFERENCE = "#/components/schemas/{name}"
ANY_JSON = {"$ref": REFERENCE.format(name="Json")}
TEXT = {"type": "string", "pattern": PROSE_IN_JSON_PATTERN}
FIELDS = {
    "type": "object",
    "propertyNames": {"pattern": PROSE_IN_JSON_PATTERN},
    "additionalProperties": ANY_JSON,
}
LIST = {"type": "array", "items": ANY_JSON}
JSON: dict[str, Any] = {
    "title": "Json",
    "anyOf": [{"type": ["null", "boolean", "number"]}, TEXT, FIELDS, LIST],
}
ENDPOINT_URL = {"type": "string", "format": "endpoint-url", "maxLength": URL_LENGTH_MAX}
# What a field's type cannot say, by body and field.
BOUNDS: dict[str, dict[str, dict[str, Any]]] = {
    "GenerateAll": {"intake": {"anyOf": [FIELDS | {"minProperties": 1}, TEXT | {"minLength": 1}]}},
    "Grant": {"amount": {"type": "integer", "minimum": 1, "maximum": AMOUNT_MAX}},
    "NewToken": {"account": {"type": "string", "pattern": ID_PATTERN}},
    "NewEndpoint": {"url": ENDPOINT_URL},
    "ChangedEndpoint": {"url": {"anyOf": [ENDPOINT_URL, {"type": "null"}], "default": None}},
}
TYPE_OF_ENDPOINT = {"type": "string", "enum": list(TYPES.values())}


class DescribedApi(JsonRenderPlugin):
    """Adds what Litestar does not read of msgspec's types, of guards and of answers."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        return super().render(request, described(request.app, openapi_schema))


def described(app: Litestar, document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with every status, bound and name that callers can rely on."""
    handlers = describe_answers.handlers_of(app)
    paths: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(document["paths"]))
    for path, operations in paths.items():
        for method, operation in operations.items():
            describe_answers.add_answers(operation, handlers[path, method])
            add_parameters(operation, method)
    components = {"schemas": schemas(), "securitySchemes": describe_answers.SECURITY_SCHEMES}
    return {**document, "paths": paths, "components": components}


def schemas() -> dict[str, Any]:
    """Return the JSON schemas of all bodies and of all kinds' inputs."""
    types = [*BODIES, *KINDS.values()]
    _, found = msgspec.json.schema_components(types, ref_template=REFERENCE)
    for body, fields in BOUNDS.items():
        found[body]["properties"] |= fields
    for body in ("NewEndpoint", "ChangedEndpoint"):
        (lists,) = (each for each in found[body]["properties"]["types"]["anyOf"] if "items" in each)
        lists["items"] = TYPE_OF_ENDPOINT
    found["CreateJob"] = _one_of_the_kinds(found["CreateJob"])
    found |= {"Json": JSON, "Problem": describe_answers.PROBLEM}
    all_schemas: dict[str, Any] = published(found)
    return all_schemas


def _one_of_the_kinds(job: dict[str, Any]) -> dict[str, Any]:
    """An input has to fit its kind."""
    choices = []
    for name, kind in KINDS.items():
        given = {"$ref": REFERENCE.format(name=kind.__name__)}
        fields = {"kind": {"type": "string", "enum": [name]}, "input": given}
        choices.append(job | {"properties": fields, "title": f"Create{kind.__name__}"})
    return {"title": job["title"], "description": job["description"], "oneOf": choices}
