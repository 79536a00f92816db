"""What a caller is told of a failure on our side, and the one line that our log has of it."""

import json
from typing import Any

import msgspec
import pytest
from litestar.testing import RequestFactory
from structlog.testing import capture_logs

from adapters.http_server import AnyRequest
from application.event_log import (
    Conflict,
    LogUnavailable,
    OutcomeUnknown,
    Unavailable,
    require_stored,
)
from application.ports import NotThereYet
from domain.refusals import Refused
from services.api.handlers.answer_errors import on_error
from services.api.handlers.request_context import context_of
from tests.support.streaming import CALLER


def a_request() -> AnyRequest:
    return RequestFactory().post("/api/jobs", headers={"X-Request-Id": "mine"})


def code_of(request: AnyRequest, error: Exception) -> tuple[int, str]:
    answer = on_error(request, error)
    return answer.status_code or 200, json.loads(answer.content)["code"]


def raised_by(outcome: Any) -> Exception:
    with pytest.raises(LogUnavailable) as caught:
        require_stored(outcome)
    return caught.value


def test_an_append_without_an_answer_may_be_in_the_log() -> None:
    error = raised_by(Unavailable("the broker is away"))
    assert isinstance(error, OutcomeUnknown)
    assert code_of(a_request(), error) == (503, "outcome_unknown")


def test_an_append_that_was_refused_is_not_in_the_log() -> None:
    error = raised_by(Unavailable("maximum bytes exceeded", full=True))
    assert code_of(a_request(), error) == (503, "unavailable")
    assert require_stored(Conflict()) is None


def test_a_failure_after_the_commit_does_not_mean_that_nothing_was_done() -> None:
    request = a_request()
    assert code_of(request, NotThereYet()) == (503, "unavailable")
    context_of(request, CALLER).is_carried_out = True
    assert code_of(request, NotThereYet()) == (503, "outcome_unknown")
    assert code_of(request, Refused("not_found", "gone")) == (404, "not_found")


@pytest.mark.parametrize(
    ("error", "status", "code", "level"),
    [
        (OutcomeUnknown("away"), 503, "outcome_unknown", "warning"),
        (LogUnavailable("away"), 503, "unavailable", "warning"),
        (Refused("log_full", "full"), 503, "log_full", "warning"),
        (RuntimeError("a bug"), 500, "internal", "error"),
        (msgspec.DecodeError("a row that cannot be read"), 500, "internal", "error"),
    ],
)
def test_every_failure_of_ours_is_one_line_of_the_log_under_its_request_id(
    error: Exception, status: int, code: str, level: str
) -> None:
    with capture_logs() as lines:
        on_error(a_request(), error)
    (line,) = lines
    told = {name: line[name] for name in ("request_id", "path", "status", "code", "log_level")}
    assert told == {
        "request_id": "mine",
        "path": "/api/jobs",
        "status": status,
        "code": code,
        "log_level": level,
    }


def test_what_the_caller_did_wrong_is_a_line_of_no_weight() -> None:
    with capture_logs() as lines:
        on_error(a_request(), Refused("not_found", "gone"))
    (line,) = lines
    assert (line["log_level"], line["event"]) == ("info", "request_refused")
    assert (line["request_id"], line["path"], line["code"]) == ("mine", "/api/jobs", "not_found")
