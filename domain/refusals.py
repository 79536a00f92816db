"""Refusals: every code that a caller can read, and the exception that carries one."""

from typing import Any

# Code -> (HTTP status, title). The one list; a test checks docs/guides/errors.md against it.
CODES: dict[str, tuple[int, str]] = {
    "unparsable": (400, "The body cannot be parsed"),
    "unauthorized": (401, "A valid token is needed"),
    "insufficient_credits": (402, "Not enough credits"),
    "forbidden": (403, "This token's role does not allow that"),
    "not_found": (404, "There is no such thing"),
    "method_not_allowed": (405, "This path does not take that method"),
    "too_slow": (408, "The request took too long to arrive"),
    "job_ended": (409, "The job has ended"),
    "job_open": (409, "The job has not ended yet"),
    "not_failed": (409, "Only a failed job can be retried"),
    "already_retried": (409, "The job is being retried, or was with success"),
    "already_open": (409, "One is under way already"),
    "too_many_endpoints": (409, "Too many endpoints are registered"),
    "run_active": (409, "A run of this project is under way"),
    "run_ended": (409, "The run has ended"),
    "step_not_failed": (409, "Only a failed step can be retried"),
    "idempotency_in_flight": (409, "A request with this Idempotency-Key is under way"),
    "too_large": (413, "The body is too large"),
    "invalid": (422, "A value is wrong"),
    "cursor_invalid": (422, "The cursor is not one of ours"),
    "idempotency_key_reused": (422, "This Idempotency-Key was used for another request"),
    "rate_limited": (429, "Too many requests"),
    "too_many_jobs": (429, "Too many jobs are in flight"),
    "too_many_streams": (429, "Too many streams are open"),
    "too_many_waits": (429, "Too many requests of this token are waiting"),
    "head_too_large": (431, "The headers are too large"),
    "internal": (500, "Something is broken on our side"),
    "unavailable": (503, "Not available right now"),
    "outcome_unknown": (503, "It is not known whether this was carried out"),
    "too_many_connections": (503, "Too many connections are open"),
    "log_full": (503, "The log is full: new work has to wait"),
}

PROBLEM_TYPE = "application/problem+json"

# Codes that a failed job can end with, and what its owner reads.
JOB_CODES: dict[str, str] = {
    "cancelled": "The job was cancelled.",
    "blog_unreadable": "The blog page could not be read.",
    "content_policy": "The provider's content checker refused this prompt.",
    "invalid_input": "The provider did not accept the input.",
    "provider_refused": "The provider did not take the job.",
    "provider_failed": "The provider could not finish the job.",
    "outcome_unknown": "The provider never said what became of the job.",
    "bad_result": "The provider's result is not usable.",
    "media_host_refused": "The result lies on a host that is not allowed.",
    "deadline": "The job took longer than it may.",
    "storage_deadline": "The result could not be stored in time.",
    "unknown_kind": "This kind of job is no longer made.",
}


class Refused(Exception):
    """What was asked for is refused. `code` is one of CODES; `detail` says what was wrong.

    `errors` names fields; `extra` is shown beside them (`needed`, `available`).
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        errors: list[dict[str, str]] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.errors = errors or []
        self.extra = extra


def problem_of(refused: Refused, request_id: str) -> dict[str, Any]:
    """Return the document that an error is answered with, as RFC 9457 says."""
    status, title = CODES[refused.code]
    document = {
        "type": f"urn:darkroom:problem:{refused.code}",
        "title": title,
        "status": status,
        "detail": refused.detail,
        "code": refused.code,
        "request_id": request_id,
        **refused.extra,
    }
    return document | ({"errors": refused.errors} if refused.errors else {})


def invalid(field: str, message: str) -> Refused:
    return Refused("invalid", f"{field}: {message}", errors=[{"field": field, "message": message}])
