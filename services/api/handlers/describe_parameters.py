"""Describes parameters: what stands in a path, a query or a header, with every bound of it."""

from collections.abc import Iterator
from typing import Any

from litestar.enums import ParamType
from litestar.handlers import HTTPRouteHandler
from litestar.params import ParameterKwarg

from domain.job_kinds import KINDS
from domain.text import ID_PATTERN, KEY_PATTERN, QUERY_PATTERN, published
from services.api.handlers.describe_answers import KEYED
from services.api.handlers.pages import ENTRY, LIMIT, LIMIT_MAX, PLACE
from services.api.handlers.show_jobs import WAIT_SECONDS_MAX

TEXT = {"type": "string", "pattern": published(QUERY_PATTERN)}
CURSOR = {"type": "string", "format": "cursor", "maxLength": 64}
ANY_CURSOR = TEXT  # A cursor that is none of ours is answered with a resync, not refused.
OF_LIST = {"type": "string", "pattern": f"^{PLACE}$"}
OF_ENTRIES = {"type": "string", "pattern": f"^{ENTRY}$"}
FILE_PATTERN = r"^[A-Za-z0-9_-]{1,64}(\.[a-z0-9]{1,8})?$"

QUERY: dict[str, dict[str, Any]] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT},
    "wait": {"type": "number", "minimum": 0, "maximum": WAIT_SECONDS_MAX, "default": 0},
    "status": {"$ref": "#/components/schemas/JobStatus"},
    "kind": TEXT | {"examples": list(KINDS)},
    "cursor": OF_LIST,
    "account": {"type": "string", "pattern": "^[A-Za-z0-9_-]{0,64}$"},
    "projectId": TEXT,
    "step": {"type": "integer"},
}
FILE = {"type": "string", "pattern": FILE_PATTERN}
ANY_ID = {"type": "string", "pattern": published(ID_PATTERN)}
KEY = {"type": "string", "pattern": published(KEY_PATTERN)}
PREFER = TEXT | {"examples": ["respond-async", "wait=5"]}
# Headers that an operation listens to, with what they say.
HEADERS: dict[str, tuple[tuple[str, dict[str, Any]], ...]] = {
    **dict.fromkeys(KEYED, (("Idempotency-Key", KEY),)),
    **dict.fromkeys(
        ("create_infographs", "create_job", "retry_infograph", "retry_job"),
        (("Idempotency-Key", KEY), ("Prefer", PREFER)),
    ),
    **dict.fromkeys(("show_status", "show_job", "serve_artifact"), (("If-None-Match", TEXT),)),
    **dict.fromkeys(("stream_account", "stream_job"), (("Last-Event-ID", ANY_CURSOR),)),
}
STREAMS = {"stream_account", "stream_job"}
OPEN = {"show_liveness", "show_readiness", "serve_artifact", "show_metrics"}
TEXTS = {
    "id": "The id of what is asked for.",
    "character_id": "Your own name for the character.",
    "delivery_id": "The id of a delivery, as the list has it.",
    "name": "The file's name, as an artifact's URL has it.",
    "limit": "How many there may be on a page.",
    "wait": "For how many seconds to wait for a change: with If-None-Match, of the document that "
    "has this ETag; without, for the job's end.",
    "status": "Only those with this status.",
    "kind": "Only jobs of this kind.",
    "cursor": "`next` of the page before.",
    "account": "Only tokens of this account.",
    "projectId": "Your own name for the project.",
    "step": "The number of a step.",
    "attempt": "Which attempt it is about.",
    "token": "The attempt's token.",
    "Idempotency-Key": "A name of your choice for the request. Sent again with it, the request is "
    "carried out once and gets the same answer.",
    "Prefer": "`wait=SECONDS` (0 to 30) or `respond-async`: how long the answer may wait until "
    "the provider has the jobs.",
    "If-None-Match": "The ETag of the document that you have.",
    "Last-Event-ID": "The id of the last frame that was read: the stream goes on behind it.",
    "after": "The same as Last-Event-ID, for clients that can send no header.",
    "min_as_of": "The `as_of` of an earlier answer: what is read is at least as new.",
}


def parameters_of(handler: HTTPRouteHandler, method: str) -> list[dict[str, Any]]:
    """Return the parameters of an operation, and the headers that it listens to."""
    name = str(handler.handler_name)
    described = list(_own(handler, name))
    described += [parameter(each, "header", schema) for each, schema in HEADERS.get(name, ())]
    if name in STREAMS:
        described.append(parameter("after", "query", ANY_CURSOR))
    elif method == "get" and name not in OPEN:
        described.append(parameter("min_as_of", "query", CURSOR))
    if name == "relay_webhook":
        described += [parameter(each, "query", TEXT) for each in ("attempt", "token")]
    return described


def parameter(name: str, where: str, schema: dict[str, Any], *, required: bool = False) -> Any:
    return {
        "name": name,
        "in": where,
        "description": TEXTS[name],
        "required": required,
        "schema": schema,
    }


def _own(handler: HTTPRouteHandler, operation: str) -> Iterator[dict[str, Any]]:
    for name, field in handler.parsed_fn_signature.parameters.items():
        kind = field.kwarg_definition
        if not isinstance(kind, ParameterKwarg) or name in handler.resolve_dependencies():
            continue
        if kind.param_type is ParamType.PATH:
            schema = FILE if name == "name" else ANY_ID
            yield parameter(name, "path", schema, required=True)
        else:
            schema = OF_ENTRIES if (operation, name) == ("list_entries", "cursor") else QUERY[name]
            yield parameter(name, "query", schema, required=field.is_required)
