"""Refusals: every code that a caller can read, and the exception that carries one."""

from typing import Any

# Code -> title. The one list; a test checks docs/guides/errors.md against it.
CODES: dict[str, str] = {
    "unparsable": "The body cannot be parsed",
    "unauthorized": "A valid token is needed",
    "insufficient_credits": "Not enough credits",
    "forbidden": "This token's role does not allow that",
    "not_found": "There is no such thing",
    "method_not_allowed": "This path does not take that method",
    "too_slow": "The request took too long to arrive",
    "job_ended": "The job has ended",
    "job_open": "The job has not ended yet",
    "not_failed": "Only a failed job can be retried",
    "already_retried": "The job is being retried, or was with success",
    "already_open": "One is under way already",
    "too_many_endpoints": "Too many endpoints are registered",
    "run_active": "A run of this project is under way",
    "run_ended": "The run has ended",
    "step_not_failed": "Only a failed step can be retried",
    "idempotency_in_flight": "A request with this Idempotency-Key is under way",
    "too_large": "The body is too large",
    "range_not_satisfiable": "The file does not have these bytes",
    "invalid": "A value is wrong",
    "cursor_invalid": "The cursor is not one of ours",
    "idempotency_key_reused": "This Idempotency-Key was used for another request",
    "rate_limited": "Too many requests",
    "too_many_jobs": "Too many jobs are in flight",
    "too_many_streams": "Too many streams are open",
    "too_many_waits": "Too many requests of this token are waiting",
    "head_too_large": "The headers are too large",
    "internal": "Something is broken on our side",
    "unavailable": "Not available right now",
    "outcome_unknown": "It is not known whether this was carried out",
    "too_many_connections": "Too many connections are open",
    "log_full": "The log is full: new work has to wait",
}

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
    """A request that is refused. `code` is one of CODES; `detail` says what was wrong with it.

    `errors` names the fields that are wrong; `extra` is shown beside the detail, as `needed` and
    `available` credits are.
    """

    def __init__(
        self, code: str, detail: str, *, errors: list[dict[str, str]] | None = None, **extra: Any
    ) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.errors = errors or []
        self.extra = extra


def invalid(field: str, message: str) -> Refused:
    return Refused("invalid", f"{field}: {message}", errors=[{"field": field, "message": message}])
