"""Problems: refusals as HTTP answers, with a status each and a document as RFC 9457 shapes it."""

from typing import Any

from domain.refusals import CODES, Refused

PROBLEM_TYPE = "application/problem+json"
_CODES_OF_STATUS: dict[int, tuple[str, ...]] = {
    400: ("unparsable",),
    401: ("unauthorized",),
    402: ("insufficient_credits",),
    403: ("forbidden",),
    404: ("not_found",),
    405: ("method_not_allowed",),
    408: ("too_slow",),
    409: (
        *("job_ended", "job_open", "not_failed", "already_retried", "already_open"),
        *("run_active", "run_ended", "step_not_failed"),
        *("too_many_endpoints", "idempotency_in_flight"),
    ),
    413: ("too_large",),
    416: ("range_not_satisfiable",),
    422: ("invalid", "cursor_invalid", "idempotency_key_reused"),
    429: ("rate_limited", "too_many_jobs", "too_many_streams", "too_many_waits"),
    431: ("head_too_large",),
    500: ("internal",),
    503: ("unavailable", "outcome_unknown", "too_many_connections", "log_full"),
}
STATUSES = {code: status for status, codes in _CODES_OF_STATUS.items() for code in codes}


def problem_of(refused: Refused, request_id: str) -> dict[str, Any]:
    """Return the document that a refusal is answered with."""
    title, status = CODES[refused.code], STATUSES[refused.code]
    document = problem_document(refused.code, title, status, refused.detail)
    document |= {"request_id": request_id, **refused.extra}
    return document | ({"errors": refused.errors} if refused.errors else {})


def problem_document(code: str, title: str, status: int, detail: str) -> dict[str, Any]:
    kind = f"urn:darkroom:problem:{code}"
    return {"type": kind, "title": title, "status": status, "detail": detail, "code": code}
