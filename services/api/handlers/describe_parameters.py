"""Describes parameters: every bound of what stands in a path, a query or a header."""

from typing import Any

from domain.job_kinds import KINDS
from domain.statuses import JobStatus
from domain.text import ID_PATTERN, KEY_PATTERN, QUERY_PATTERN, published
from services.api.handlers.describe_answers import KEYED
from services.api.handlers.pages import ENTRY, LIMIT, LIMIT_MAX, PLACE
from services.api.handlers.show_jobs import WAIT_SECONDS_MAX

TEXT = {"type": "string", "pattern": published(QUERY_PATTERN)}
CURSOR = {"type": "string", "format": "cursor", "maxLength": 64}
ANY_CURSOR = TEXT  # A cursor that is none of ours is answered with a resync, not refused.
OF_LIST = {"type": "string", "pattern": f"^{PLACE}$"}
OF_ENTRIES = {"type": "string", "pattern": f"^{ENTRY}$"}
STATUSES = [*JobStatus, *(status.upper() for status in JobStatus)]
FILE_PATTERN = r"^[A-Za-z0-9_-]{1,64}(\.[a-z0-9]{1,8})?$"

QUERY: dict[str, dict[str, Any]] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT},
    "wait": {"type": "number", "minimum": 0, "maximum": WAIT_SECONDS_MAX, "default": 0},
    "status": {"type": "string", "enum": STATUSES},
    "kind": TEXT | {"examples": list(KINDS)},
    "cursor": OF_LIST,
    "account": {"type": "string", "pattern": "^[A-Za-z0-9_-]{0,64}$"},
    "projectId": TEXT,
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
    **dict.fromkeys(("show_status", "show_job", "describe_artifact"), (("If-None-Match", TEXT),)),
    "serve_artifact": (("If-None-Match", TEXT), ("Range", TEXT), ("If-Range", TEXT)),
    **dict.fromkeys(("stream_account", "stream_job"), (("Last-Event-ID", ANY_CURSOR),)),
}
STREAMS = {"stream_account", "stream_job"}
OPEN = {"show_liveness", "show_readiness", "serve_artifact", "show_metrics"}


def add_parameters(operation: dict[str, Any], method: str) -> None:
    """Replace what Litestar read of the handlers' types by what they really take."""
    name = operation["operationId"]
    described = [_described(name, each) for each in operation.get("parameters", [])]
    described += [_optional(header, "header", schema) for header, schema in HEADERS.get(name, ())]
    if name in STREAMS:
        described.append(_optional("after", "query", ANY_CURSOR))
    elif method == "get" and name not in OPEN:
        described.append(_optional("min_as_of", "query", CURSOR))
    operation["parameters"] = described


def _described(operation: str, parameter: dict[str, Any]) -> dict[str, Any]:
    name = parameter["name"]
    if parameter["in"] == "path":
        return parameter | {"schema": FILE if name == "name" else ANY_ID}
    if (operation, name) == ("list_entries", "cursor"):
        return parameter | {"schema": OF_ENTRIES}
    return parameter | {"schema": QUERY.get(name) or parameter["schema"]}


def _optional(name: str, where: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": where, "required": False, "schema": schema}
