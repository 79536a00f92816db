"""What schemathesis is told beside the document: values that only a running world can know."""

import os
from typing import Any
from uuid import uuid4

import schemathesis
from hypothesis import strategies as st

from domain.text import is_key

KNOWN = {
    "/api/jobs/{id}": "CONTRACT_JOB",
    "/api/infographs": "CONTRACT_JOB",
    "/api/runs/{id}": "CONTRACT_RUN",
    "/api/webhook-endpoints/{id}": "CONTRACT_ENDPOINT",
}

EXAMPLE_URL = "https://product.example/hooks/darkroom"
# Those that any operation can answer with, as the document says at its beginning.
OF_ANY_OPERATION = {"method_not_allowed", "too_slow", "head_too_large", "too_many_connections"}
PROBLEM_TYPE = "application/problem+json"
TOKENS = os.environ["CONTRACT_TOKENS"].split(",")

schemathesis.openapi.format("cursor", st.just(os.environ["CONTRACT_CURSOR"]))
schemathesis.openapi.format("endpoint-url", st.just(os.environ["CONTRACT_ENDPOINT_URL"]))


@schemathesis.hook
def before_call(
    context: schemathesis.HookContext, case: "schemathesis.Case[Any]", _kwargs: dict[str, Any]
) -> None:
    """A key stands for one request: no two may have the same. The tokens that the world needs are
    not revoked, and an endpoint is where something may be registered.
    """
    del context
    if case.path == "/api/operator/tokens/{id}" and case.path_parameters["id"] in TOKENS:
        case.path_parameters["id"] = "unknown"
    if isinstance(case.body, dict) and case.body.get("url") == EXAMPLE_URL:
        case.body["url"] = os.environ["CONTRACT_ENDPOINT_URL"]
    if case.headers and is_key(str(case.headers.get("Idempotency-Key", ""))):
        case.headers["Idempotency-Key"] = uuid4().hex


@schemathesis.hook
def map_path_parameters(
    context: schemathesis.HookContext, path_parameters: dict[str, Any] | None
) -> dict[str, Any] | None:
    """Every other request is about something that exists."""
    path = context.operation.path if context.operation is not None else ""
    names = [name for start, name in KNOWN.items() if path.startswith(start)]
    is_even = len(str(path_parameters)) % 2 == 0
    if names and path_parameters and "id" in path_parameters and is_even:
        return path_parameters | {"id": os.environ[names[0]]}
    return path_parameters


@schemathesis.check
def problem_code_is_described(
    ctx: schemathesis.CheckContext,
    response: schemathesis.Response,
    case: "schemathesis.Case[Any]",
) -> None:
    """Every code that a problem has is an example of the operation's answer with this status."""
    del ctx
    if response.headers.get("content-type") != [PROBLEM_TYPE] or not response.content:
        return  # A HEAD is answered without the problem.
    code = response.json()["code"]
    described = case.operation.definition.raw["responses"].get(str(response.status_code), {})
    examples = described.get("content", {}).get(PROBLEM_TYPE, {}).get("examples", {})
    assert code in OF_ANY_OPERATION | set(examples), f"{code} is not described"
