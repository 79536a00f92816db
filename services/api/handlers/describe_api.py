"""Describes the API: the OpenAPI document, made from what the handlers take and answer with."""

from typing import Any

from litestar import Litestar
from litestar.handlers import HTTPRouteHandler

from services.api.handlers import describe_answers
from services.api.handlers.describe_answers import answers_of, handlers_of, security_of
from services.api.handlers.describe_examples import example_of
from services.api.handlers.describe_parameters import ANY_CURSOR, parameter, parameters_of
from services.api.handlers.describe_schemas import schema_of, schemas
from services.api.handlers.describe_webhooks import PROVIDER_BODY, webhooks

ABOUT = (
    "Jobs for generative work: each is paid once, ends once, and can be followed while it runs. "
    "Every path works with and without a slash at its end. Every error is a Problem (RFC 9457), "
    "also one that any operation can answer with: `method_not_allowed`, `too_slow`, "
    "`head_too_large`, `too_many_connections` and `internal`. Times are RFC 3339 in UTC."
)
# What a path's first part is about.
TAGS = {
    "infographs": ("Infographs", "Images that explain a prompt."),
    "characters": ("Characters", "One portrait of each character at a time."),
    "generate": ("Funnels", "All texts of a project, step by step."),
    "runs": ("Funnels", ""),
    "jobs": ("Jobs", "Jobs of every kind, also those behind infographs, characters and funnels."),
    "job-kinds": ("Jobs", ""),
    "credits": ("Credits", "What an account has, and every move of it."),
    "stream": ("Streams", "Jobs, runs and credits as they change."),
    "ws": ("Streams", ""),
    "stream-tickets": ("Streams", ""),
    "webhook-endpoints": ("Webhooks", "Where an account's notifications are sent."),
    "operator": ("Operators", "Tokens and credits: for operators and for products' back ends."),
    "artifacts": ("Artifacts", "Files at URLs that nobody can guess."),
    "health": ("Health", "Whether it lives, is ready, and its figures."),
    "metrics": ("Health", ""),
}
PROVIDER = "Provider"
STREAM_TAGS = {"stream_job": "Streams", "relay_webhook": PROVIDER}


def described(app: Litestar) -> dict[str, Any]:
    """Return the whole document."""
    handlers = handlers_of(app)
    paths: dict[str, Any] = {"/api/ws": {"get": _socket()}}
    for (path, method), handler in sorted(handlers.items(), key=lambda each: each[0]):
        paths.setdefault(path, {})[method] = _operation(path, method, handler)
    types = [each for handler in handlers.values() for each in _types(handler)]
    tags = [{"name": name, "description": text} for name, text in TAGS.values() if text]
    tags.append({"name": PROVIDER, "description": "What the provider sends when it is done."})
    return {
        "openapi": "3.1.0",
        "info": {"title": "Darkroom", "version": "1", "description": ABOUT},
        "servers": [{"url": "/", "description": "Where this document comes from."}],
        "tags": tags,
        "paths": dict(sorted(paths.items())),
        "webhooks": webhooks(),
        "components": {
            "schemas": schemas(types)
            | {"ProviderResult": {"title": "ProviderResult"} | PROVIDER_BODY},
            "examples": describe_answers.problem_examples(),
            "securitySchemes": describe_answers.SECURITY_SCHEMES,
        },
    }


def _types(handler: HTTPRouteHandler) -> list[Any]:
    data = handler.parsed_fn_signature.parameters.get("data")
    return [*describe_answers.types_of(handler), *([data.annotation] if data is not None else [])]


def _operation(path: str, method: str, handler: HTTPRouteHandler) -> dict[str, Any]:
    name, tag = str(handler.handler_name), TAGS[_first_part(path)][0]
    operation: dict[str, Any] = {
        "tags": [STREAM_TAGS.get(name, tag)],
        "operationId": name,
        "summary": name.replace("_", " ").capitalize(),
        "description": _text(handler.fn.__doc__),
        "parameters": parameters_of(handler, method),
    }
    if body := _body(handler):
        operation["requestBody"] = {"required": True, "content": {"application/json": body}}
    operation["responses"] = answers_of(handler, path, method)
    operation["security"] = security_of(handler)
    return operation


def _first_part(path: str) -> str:
    return path.removeprefix("/api").strip("/").partition("/")[0]


def _body(handler: HTTPRouteHandler) -> dict[str, Any] | None:
    if handler.handler_name == "relay_webhook":
        return {"schema": {"$ref": "#/components/schemas/ProviderResult"}}
    data = handler.parsed_fn_signature.parameters.get("data")
    if data is None:
        return None
    return {"schema": schema_of(data.annotation), "example": example_of(data.annotation)}


def _text(docstring: str | None) -> str:
    """Return a docstring as one line for each of its paragraphs."""
    paragraphs = (docstring or "").strip().split("\n\n")
    return "\n\n".join(" ".join(each.split()) for each in paragraphs)


def _socket() -> dict[str, Any]:
    """Describe the WebSocket: a GET that is upgraded."""
    frames = {"$ref": "#/components/schemas/StreamFrame"}
    problem = {"schema": {"$ref": "#/components/schemas/Problem"}}
    refused = {"description": "Refused.", "content": {"application/problem+json": problem}}
    return {
        "tags": ["Streams"],
        "operationId": "stream_socket",
        "summary": "Stream socket",
        "description": "The frames of the account's stream over a WebSocket, each a StreamFrame. "
        "What a client sends is not read. Close code 1012: come again, and continue.",
        "parameters": [parameter("after", "query", ANY_CURSOR)],
        "responses": {
            "101": {"description": "A WebSocket, if it was asked for.", "x-frame": frames},
            **dict.fromkeys(("401", "403", "429", "503"), refused),
        },
        "security": [{"token": []}, {"bearer": []}, {"ticket": []}],
    }
