"""Problems: every error as RFC 9457 says, with a code, a reason and the field that is wrong."""

import logging
import re
from http import HTTPStatus

import msgspec
import structlog
from litestar import Response
from litestar.exceptions import (
    ClientException,
    HTTPException,
    MethodNotAllowedException,
    ValidationException,
)
from nats import errors

from adapters.database import DatabaseUnavailable
from adapters.http_server import AnyRequest, AnyResponse
from adapters.problems import PROBLEM_TYPE, STATUSES, problem_of
from adapters.refusal_log import note_refusal
from adapters.storage import StorageUnavailable
from adapters.vault import KeysUnavailable, Unreadable
from application.event_log import LogSetBack, LogUnavailable, OutcomeUnknown
from application.ports import NotThereYet
from domain.refusals import Refused, invalid
from domain.wrong_fields import refusal_of
from services.api.handlers.callers import Caller
from services.api.handlers.request_context import is_carried_out, request_id_of
from services.api.handlers.strict_bodies import NO_JSON

logger = structlog.get_logger()

RETRY_AFTER_SECONDS = "2"
_DEPENDENCY_DOWN = (
    LogUnavailable,
    DatabaseUnavailable,
    StorageUnavailable,
    KeysUnavailable,
    errors.Error,
)
_SEND_AGAIN = "it may have been carried out: send it again, under the same Idempotency-Key"

# Litestar's words.
_MISSING = re.compile(r"Missing required \w+ parameter '(\w+)' for path .*", re.DOTALL)
_BY_STATUS = {
    404: ("not_found", "see /api/openapi.json for the paths there are"),
    405: ("method_not_allowed", "see /api/openapi.json"),
    413: ("too_large", "the body is larger than this path takes"),
}
_BY_TYPE: tuple[tuple[tuple[type[Exception], ...], str, str], ...] = (
    ((ClientException,), "unparsable", NO_JSON),
    ((OutcomeUnknown,), "outcome_unknown", _SEND_AGAIN),
    ((LogSetBack,), "unavailable", "the log is not the one that it was: an operator has to look"),
    ((NotThereYet,), "unavailable", "what is read has not come that far yet: try again"),
    (_DEPENDENCY_DOWN, "unavailable", "a part is away; nothing was lost: try again"),
    ((Unreadable,), "not_found", "the content can no longer be read"),
)


def on_error(request: AnyRequest, error: Exception) -> AnyResponse:
    """Turn whatever a handler raised into a problem document; log what is our side's fault."""
    refused = _refused(error)
    if refused.code == "unavailable" and is_carried_out(request):
        refused = Refused("outcome_unknown", _SEND_AGAIN)
    status = STATUSES[refused.code]
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        is_ours = refused.code == "internal"
        logger.log(
            logging.ERROR if is_ours else logging.WARNING,
            "request_failed",
            request_id=request_id_of(request),
            path=request.url.path,
            status=status,
            code=refused.code,
            **({"exc_info": error} if is_ours else {"reason": repr(error)[:300]}),
        )
    else:
        caller = request.scope.get("user")
        account = caller.account_id if isinstance(caller, Caller) else None
        request_id = request_id_of(request)
        note_refusal(refused, request_id, request.method, request.url.path, account)
    return _problem(request, error, refused)


def _problem(request: AnyRequest, error: Exception, refused: Refused) -> AnyResponse:
    status = STATUSES[refused.code]
    headers = {}
    if status in {429, 503}:
        headers["Retry-After"] = str(refused.extra.get("retry_after_seconds", RETRY_AFTER_SECONDS))
    if isinstance(error, MethodNotAllowedException) and error.headers is not None:
        headers["Allow"] = ", ".join(sorted(error.headers["allow"].split(", ")))
    if refused.code == "range_not_satisfiable":
        headers["Content-Range"] = f"bytes */{refused.extra['bytes']}"
    if refused.code == "unauthorized":
        headers["WWW-Authenticate"] = 'Token realm="darkroom"'
    document = msgspec.json.encode(problem_of(refused, request_id_of(request)))
    return Response(document, status_code=status, headers=headers, media_type=PROBLEM_TYPE)


def _refused(error: Exception) -> Refused:
    if isinstance(error, Refused):
        return error
    if isinstance(error, ValidationException):
        return _invalid(error)
    if isinstance(error, msgspec.ValidationError):
        return refusal_of(error)
    if isinstance(error, HTTPException) and error.status_code in _BY_STATUS:
        return Refused(*_BY_STATUS[error.status_code])
    for kinds, code, detail in _BY_TYPE:
        if isinstance(error, kinds):
            return Refused(code, detail)
    return Refused("internal", "the fault was logged under this request id")


def _invalid(error: ValidationException) -> Refused:
    cause = error.__cause__
    if isinstance(cause, msgspec.ValidationError):
        return refusal_of(cause)
    return _invalid_parameter(error)


def _invalid_parameter(error: ValidationException) -> Refused:
    """Name the parameter that is missing or has no value of its type, in a path or a query."""
    missing = _MISSING.fullmatch(error.detail)
    if missing is not None:
        return invalid(missing[1], "is missing")
    first = error.extra[0] if isinstance(error.extra, list) and error.extra else {}
    if "key" in first:
        return invalid(str(first["key"]), str(first["message"]))
    return invalid("body", error.detail)
