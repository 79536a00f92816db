"""Problems: refusals as HTTP answers, with a status each and a document as RFC 9457 shapes it."""

from msgspec import UNSET, Struct, UnsetType

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


class FieldError(Struct, frozen=True, kw_only=True):
    """Which field is wrong, and in what way."""

    field: str
    message: str


class Problem(Struct, kw_only=True):
    """An error as RFC 9457 says. `code` is for programs, `detail` for people; `request_id` is the
    request's own, as logs have it. `errors` names wrong fields. The fields behind it come with
    some codes: what is `needed` and `available` in credits, jobs `in_flight`, the job, task or run
    that is in the way, when to come again, how many bytes a file has, and what became of each id.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str | UnsetType = UNSET
    errors: list[FieldError] | UnsetType = UNSET
    needed: int | UnsetType = UNSET
    available: int | UnsetType = UNSET
    in_flight: int | UnsetType = UNSET
    retried_as: str | UnsetType = UNSET
    task_id: str | UnsetType = UNSET
    run_id: str | UnsetType = UNSET
    runId: str | UnsetType = UNSET  # noqa: N815 - as seed 003 writes it.
    retry_after_seconds: int | UnsetType = UNSET
    bytes: int | UnsetType = UNSET
    results: list[dict[str, str]] | UnsetType = UNSET


def problem_of(refused: Refused, request_id: str) -> Problem:
    """Return the document that a refusal is answered with."""
    title, status = CODES[refused.code], STATUSES[refused.code]
    problem = problem_document(refused.code, title, status, refused.detail)
    problem.request_id = request_id
    if refused.errors:
        problem.errors = [FieldError(**each) for each in refused.errors]
    for name, value in refused.extra.items():
        setattr(problem, name, value)
    return problem


def problem_document(code: str, title: str, status: int, detail: str) -> Problem:
    kind = f"urn:darkroom:problem:{code}"
    return Problem(type=kind, title=title, status=status, detail=detail, code=code)
