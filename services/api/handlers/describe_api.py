"""Describes the API: Litestar's OpenAPI document, with the schemas that the bodies really have."""

from typing import Any

import msgspec
from litestar.connection import Request
from litestar.openapi.plugins import JsonRenderPlugin

from domain.job_kinds import KINDS
from services.api.handlers.create_jobs import CreateInfographs, CreateJob
from services.api.handlers.draw_characters import DrawCharacter
from services.api.handlers.handle_many import HandleMany
from services.api.handlers.issue_tokens import Grant, NewToken
from services.api.handlers.register_endpoints import ChangedEndpoint, NewEndpoint
from services.api.handlers.request_runs import GenerateAll, RetryFailed

BODIES = (
    *(CreateInfographs, CreateJob, DrawCharacter, HandleMany, Grant, NewToken),
    *(ChangedEndpoint, NewEndpoint, GenerateAll, RetryFailed),
)
REFERENCE = "#/components/schemas/{name}"


class DescribedApi(JsonRenderPlugin):
    """Adds what Litestar does not read of msgspec's types, and every kind of job by name."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        components = dict(openapi_schema.get("components", {}))
        components["schemas"] = {**components.get("schemas", {}), **schemas()}
        return super().render(request, {**openapi_schema, "components": components})


def schemas() -> dict[str, Any]:
    """Return the JSON schemas of all bodies and of all kinds' inputs."""
    kinds = list(KINDS.values())
    _, found = msgspec.json.schema_components([*BODIES, *kinds], ref_template=REFERENCE)
    job = found["CreateJob"]
    references = [{"$ref": REFERENCE.format(name=kind.__name__)} for kind in kinds]
    job["properties"] = {
        "kind": {"type": "string", "enum": list(KINDS)},
        "input": {"oneOf": references},
    }
    return found
