"""Describes answers: the type of each success, its headers, and the problems that there may be."""

from typing import Any, get_args, get_origin

from litestar import Litestar, Response
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.response import Stream
from litestar.routes import HTTPRoute
from msgspec import Struct

from adapters.problems import PROBLEM_TYPE, STATUSES, problem_document
from domain.media_types import MediaType
from domain.refusals import CODES
from services.api.handlers.describe_examples import example_of
from services.api.handlers.describe_headers import HEADERS, OF_STATUS, with_headers
from services.api.handlers.describe_schemas import schema_of
from services.api.handlers.guard_requests import require_ticket_or_token, require_token
from services.api.handlers.show_health import Readiness

SECURITY_SCHEMES: dict[str, Any] = {
    "token": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": (
            "`Authorization: Token <token>`. "
            "`make up` prints a token, `darkroom tokens issue` makes one."
        ),
    },
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "`Authorization: Bearer <token>`, with the same token.",
    },
    "ticket": {
        "type": "apiKey",
        "in": "query",
        "name": "ticket",
        "description": "For clients that can send no header: see POST /api/stream-tickets.",
    },
}
OF_EVERY_CALLER = {"unauthorized", "rate_limited", "unavailable"}
OF_BODIES = {"unparsable", "too_large"}
OF_KEYS = {"idempotency_in_flight", "idempotency_key_reused"}
OF_WRITES = {"outcome_unknown"}
OF_WORK = {"insufficient_credits", "too_many_jobs", "log_full"}
WORK = {
    *("create_infographs", "create_job", "draw_character", "retry_infograph", "retry_job"),
    *("generate_all", "retry_failed"),
}
# Operations that make something, once for each Idempotency-Key.
KEYED = WORK | {
    *("grant_credits", "issue_token", "bulk_actions", "resend_delivery"),
    *("register_endpoint", "change_endpoint", "rotate_secret"),
}
OF_RETRIES = frozenset({"not_failed", "already_retried", "already_open"})
OF_LOG = frozenset({"log_full"})
# Codes that guards, bodies and paths do not tell.
MORE: dict[str, frozenset[str]] = {
    **dict.fromkeys(("retry_infograph", "retry_job"), OF_RETRIES),
    **dict.fromkeys(("cancel_infograph", "cancel_job"), frozenset({"job_ended"})),
    **dict.fromkeys(("show_status", "show_job"), frozenset({"too_many_waits"})),
    **dict.fromkeys(("stream_account", "stream_job"), frozenset({"too_many_streams"})),
    **dict.fromkeys(("grant_credits", "issue_token"), OF_LOG | {"not_found"}),
    **dict.fromkeys(("change_endpoint", "rotate_secret", "resend_delivery"), OF_LOG),
    "register_endpoint": OF_LOG | {"too_many_endpoints", "not_found"},
    "create_job": frozenset({"already_open"}),
    "draw_character": frozenset({"already_open"}),
    "delete_infograph": OF_LOG | {"job_open"},
    "bulk_actions": OF_LOG | {"not_found"},
    "generate_all": frozenset({"run_active"}),
    "retry_failed": frozenset({"run_active", "step_not_failed", "not_found"}),
    "cancel_run": frozenset({"run_ended"}),
    "show_content": frozenset({"not_found"}),
    "relay_webhook": frozenset({"unparsable", "unauthorized", "too_large", "unavailable"}),
    "serve_artifact": frozenset({"range_not_satisfiable", "unavailable"}),
    "describe_artifact": frozenset({"unavailable"}),
}
PLAIN_TEXT: dict[str, Any] = {"schema": {"type": "string"}}
BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
# A client that knows no file's type takes the first one.
FILES = dict.fromkeys(("application/octet-stream", *(each.value for each in MediaType)), BINARY)
UNCHANGED = "It has not changed."
EVENT_STREAM = {
    "text/event-stream": {
        "schema": {
            "type": "string",
            "description": "Server-sent events. Their `event`, `id` and `data` are those of a "
            "StreamFrame.",
        },
        "x-frame": {"$ref": "#/components/schemas/StreamFrame"},
    }
}
# Answers that are no documents, by operation, status and media type.
MEDIA: dict[str, dict[str, dict[str, Any]]] = {
    "serve_artifact": FILES,
    "show_text": {"text/markdown": PLAIN_TEXT, "text/plain": PLAIN_TEXT},
    "show_metrics": {"text/plain": PLAIN_TEXT},
    **dict.fromkeys(("stream_account", "stream_job"), EVENT_STREAM),
    "bulk_actions": {"application/zip": BINARY},
}
# Successes beside the first one.
EMPTY: dict[str, tuple[str, str]] = {
    **dict.fromkeys(
        ("show_status", "show_job", "serve_artifact", "describe_artifact"), ("304", UNCHANGED)
    ),
    "stream_job": ("204", "Its last frame was sent already: do not come again."),
}


def handlers_of(app: Litestar) -> dict[tuple[str, str], HTTPRouteHandler]:
    """Return what answers each path, as the document writes it, and method."""
    return {
        (route.path_format, method.lower()): handler
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for method in handler.http_methods
        if handler.resolve_include_in_schema() and method != "OPTIONS"
    }


def types_of(handler: HTTPRouteHandler) -> list[Any]:
    """Return the types of the documents that a handler answers with."""
    annotation = handler.parsed_fn_signature.return_type.annotation
    members = [annotation] if _is_whole(annotation) else list(get_args(annotation))
    found = []
    for each in members:
        if get_origin(each) is Response:
            (content,) = get_args(each)
            found += [content] if _is_whole(content) else list(get_args(content))
        elif not (isinstance(each, type) and issubclass(each, Response | Stream)):
            found.append(each)
    return [each for each in found if each not in {None, type(None), bytes, str, Any}]


def _is_whole(annotation: Any) -> bool:
    """Tell whether it is one type, and not a union of some."""
    return isinstance(annotation, type) or get_origin(annotation) in {Response, list}


def answers_of(handler: HTTPRouteHandler, path: str, method: str) -> dict[str, Any]:
    """Return every answer of an operation, by its status."""
    name = str(handler.handler_name)
    found = {str(handler.status_code): _success(handler)}
    if name in EMPTY:
        empty, text = EMPTY[name]
        found[empty] = with_headers({"description": text}, OF_STATUS.get(empty, ()))
    codes = sorted(codes_of(handler, path, method))
    for status in sorted({STATUSES[code] for code in codes}):
        found[str(status)] = _problems([code for code in codes if STATUSES[code] == status])
    if not _admits(handler) and "401" in found:
        del found["401"]["headers"]  # It is a signature that does not hold: no token would help.
    if name == "serve_artifact":
        ranged = {"description": "The range of bytes that was asked for.", "content": FILES}
        found["206"] = with_headers(ranged, OF_STATUS["206"])
    if name == "show_readiness":
        content = _content(schema_of(Readiness), {"status": "not ready"})
        not_ready = {"description": "Not ready.", "content": content}
        found["503"] = with_headers(not_ready, OF_STATUS["503"])
    return found


def security_of(handler: HTTPRouteHandler) -> list[dict[str, list[str]]]:
    admits = _admits(handler)
    if not admits:
        return []
    names = ["token", "bearer"] + ["ticket"] * (require_ticket_or_token in admits)
    return [{name: []} for name in names]


def codes_of(handler: HTTPRouteHandler, path: str, method: str) -> set[str]:
    """Return the codes of all problems that an operation can answer with."""
    name, admits = str(handler.handler_name), _admits(handler)
    found = {*MORE.get(name, ()), "invalid"}
    if admits:
        found |= OF_EVERY_CALLER | ({"cursor_invalid"} if method == "get" else OF_WRITES)
    if admits - {require_token}:
        found.add("forbidden")
    if "data" in handler.parsed_fn_signature.parameters:
        found |= OF_BODIES
    if "{" in path:
        found.add("not_found")
    if name in KEYED:
        found |= OF_KEYS
    return found | (OF_WORK if name in WORK else set())


def _success(handler: HTTPRouteHandler) -> dict[str, Any]:
    name, status = str(handler.handler_name), str(handler.status_code)
    types = types_of(handler)
    content: dict[str, Any] = {}
    for each in types:
        content |= _content(schema_of(each), example_of(each))
    content |= MEDIA.get(name, {})
    answer: dict[str, Any] = {"description": _text_of(types[0] if types else None, status)}
    answer |= {"content": content} if content else {}
    return with_headers(answer, HEADERS.get(name, ()))


def _text_of(kind: Any, status: str) -> str:
    """Return the first sentence of a document's description."""
    if isinstance(kind, type) and issubclass(kind, Struct):
        return " ".join((kind.__doc__ or "").split()).partition(". ")[0].rstrip(".") + "."
    return "Done." if status == "204" else "As asked."


def _content(schema: dict[str, Any], example: Any) -> dict[str, Any]:
    shown = {"example": example} if example is not None else {}
    return {"application/json": {"schema": schema} | shown}


def _admits(handler: BaseRouteHandler) -> set[Any]:
    """Return what says who may come in."""
    guards = (getattr(each, "admit", each) for each in handler.resolve_guards())
    return {each for each in guards if each is not None}


def _problems(codes: list[str]) -> dict[str, Any]:
    """Return an answer with one status: each of its codes is one example."""
    status = str(STATUSES[codes[0]])
    examples = {code: {"$ref": f"#/components/examples/{code}"} for code in codes}
    schema = {"$ref": "#/components/schemas/Problem"}
    answer = {
        "description": "; ".join(f"`{code}`: {CODES[code]}" for code in codes) + ".",
        "content": {PROBLEM_TYPE: {"schema": schema, "examples": examples}},
    }
    return with_headers(answer, OF_STATUS.get(status, ()))


def problem_examples() -> dict[str, Any]:
    """Return a problem of each code, to which the answers refer."""
    return {code: {"summary": CODES[code], "value": _problem(code)} for code in sorted(CODES)}


def _problem(code: str) -> dict[str, Any]:
    problem = problem_document(code, CODES[code], STATUSES[code], CODES[code])
    fields = {name: getattr(problem, name) for name in ("type", "title", "status", "detail")}
    return fields | {"code": code, "request_id": "0198c3f0-5f2e-7a9c-8d11-2b6f0f6f3c11"}
