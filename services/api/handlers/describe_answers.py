"""Describes answers: which statuses an operation can answer with, beside its success."""

from typing import Any

from litestar import Litestar
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.routes import HTTPRoute

from adapters.problems import PROBLEM_TYPE
from domain.media_types import MediaType
from domain.refusals import CODES
from services.api.handlers.guard_requests import require_ticket_or_token, require_token

FIELD_ERROR: dict[str, Any] = {
    "type": "object",
    "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
    "required": ["field", "message"],
}
PROBLEM: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "An error as RFC 9457 says. `code` is for programs, `detail` for people.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "enum": sorted(CODES)},
        "request_id": {"type": "string"},
        "errors": {"type": "array", "items": FIELD_ERROR},
    },
    "required": ["type", "title", "status", "detail", "code"],
}
SECURITY_SCHEMES: dict[str, Any] = {
    "token": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`Authorization: Token <token>`",
    },
    "bearer": {"type": "http", "scheme": "bearer"},
    "ticket": {
        "type": "apiKey",
        "in": "query",
        "name": "ticket",
        "description": "For clients that can send no header: see POST /api/stream-tickets.",
    },
}
TITLES = {
    400: "The body cannot be parsed",
    401: "A valid token is needed",
    402: "Not enough credits",
    403: "This token's role does not allow that",
    404: "There is no such thing",
    409: "It is in another state, or under way already",
    413: "The body is too large",
    416: "The file does not have these bytes",
    422: "A value is wrong",
    429: "Too many requests",
    503: "Not available right now, or the log is full",
}
OF_EVERY_CALLER = {401, 429, 503}
OF_BODIES = {400, 413}
WORK = {
    *("create_infographs", "create_job", "draw_character", "retry_infograph", "retry_job"),
    *("generate_all", "retry_failed"),
}
# Operations that make something, once for each Idempotency-Key.
KEYED = WORK | {
    *("grant_credits", "issue_token", "bulk_actions", "resend_delivery"),
    *("register_endpoint", "change_endpoint", "rotate_secret"),
}
NO_CREDITS, CONFLICT = frozenset({402}), frozenset({409})
# What guards, bodies and paths do not tell.
MORE: dict[str, frozenset[int]] = {
    **dict.fromkeys(WORK, NO_CREDITS),
    **dict.fromkeys(("generate_all", "retry_failed"), NO_CREDITS | {404}),
    **dict.fromkeys(("bulk_actions", "show_content"), frozenset({404})),
    **dict.fromkeys(("cancel_infograph", "cancel_job", "delete_infograph", "cancel_run"), CONFLICT),
    "relay_webhook": frozenset({400, 401, 413, 503}),
    "serve_artifact": frozenset({416, 503}),
    "describe_artifact": frozenset({503}),
}
ANYTHING: dict[str, Any] = {"schema": {}}
FILES: dict[str, Any] = dict.fromkeys(MediaType, ANYTHING)
# Answers without a problem, by operation.
UNCHANGED = {"304": {"description": "It has not changed"}}
PLAIN: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("show_status", "show_job", "describe_artifact"), UNCHANGED),
    "serve_artifact": UNCHANGED | {"206": {"description": "The range of bytes", "content": FILES}},
    "stream_job": {"204": {"description": "Its last frame was sent already"}},
    "show_readiness": {
        "503": {"description": "Not ready", "content": {"application/json": ANYTHING}}
    },
}
MEDIA: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("serve_artifact", "describe_artifact"), FILES),
    "show_text": dict.fromkeys(("application/json", "text/markdown", "text/plain"), ANYTHING),
    "show_metrics": {"text/plain": {"schema": {"type": "string"}}},
    "stream_account": {"text/event-stream": ANYTHING},
    "stream_job": {"text/event-stream": ANYTHING},
    "bulk_actions": dict.fromkeys(("application/json", "application/zip"), ANYTHING),
}


def handlers_of(app: Litestar) -> dict[tuple[str, str], HTTPRouteHandler]:
    """Return what answers each path, as the document writes it, and method."""
    return {
        (route.path_format, method.lower()): handler
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for method in handler.http_methods
    }


def add_answers(operation: dict[str, Any], handler: HTTPRouteHandler) -> None:
    """Name every status, and who may come in."""
    name = str(handler.handler_name)
    answers = operation["responses"].items()
    kept = {status: answer for status, answer in answers if status.startswith("2")}
    if "204" in kept:
        kept["204"].pop("content", None)
    if name in MEDIA:
        kept["200"]["content"] = MEDIA[name]
    problems = {str(status): _problem(status) for status in sorted(_statuses(operation, handler))}
    operation["responses"] = kept | problems | PLAIN.get(name, {})
    operation["security"] = _security(handler)
    operation["operationId"] = name


def _statuses(operation: dict[str, Any], handler: HTTPRouteHandler) -> set[int]:
    name, admits = str(handler.handler_name), _admits(handler)
    found = {*MORE.get(name, ()), 422}
    if admits:
        found |= OF_EVERY_CALLER
    if admits - {require_token}:
        found.add(403)
    if "requestBody" in operation:
        found |= OF_BODIES
    if any(each["in"] == "path" for each in operation.get("parameters", [])):
        found.add(404)
    if name in KEYED:
        found.add(409)
    return found


def _security(handler: HTTPRouteHandler) -> list[dict[str, list[str]]]:
    admits = _admits(handler)
    if not admits:
        return []
    names = ["token", "bearer"] + ["ticket"] * (require_ticket_or_token in admits)
    return [{name: []} for name in names]


def _admits(handler: BaseRouteHandler) -> set[Any]:
    """Return what says who may come in."""
    guards = (getattr(each, "admit", each) for each in handler.resolve_guards())
    return {each for each in guards if each is not None}


def _problem(status: int) -> dict[str, Any]:
    content = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    answer: dict[str, Any] = {"description": TITLES[status], "content": content}
    if status in {429, 503}:
        answer["headers"] = {"Retry-After": {"schema": {"type": "string"}}}
    return answer
