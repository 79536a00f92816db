"""What a caller is told of a failure on our side, and the one line that our log has of it."""

import json
from typing import Any

import httpx
import pytest
from litestar import Litestar, get
from litestar.params import FromQuery
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


def test_what_the_caller_did_wrong_is_a_line_without_an_alarm() -> None:
    with capture_logs() as lines:
        on_error(a_request(), Refused("not_found", "gone"))
    (line,) = lines
    told = {name: line[name] for name in ("event", "request_id", "code", "log_level")}
    assert told == {
        "event": "request_refused",
        "request_id": "mine",
        "code": "not_found",
        "log_level": "info",
    }


@pytest.mark.parametrize(
    ("query", "field"),
    [("?step=2", "projectId"), ("?projectId=a", "step"), ("?projectId=a&step=two", "step")],
)
async def test_a_parameter_that_is_missing_or_wrong_is_named(query: str, field: str) -> None:
    @get("/content")
    async def content(projectId: FromQuery[str], step: FromQuery[int]) -> str:  # noqa: N803
        return f"{projectId} {step}"

    handlers: Any = {Exception: on_error}
    app: Any = Litestar([content], exception_handlers=handlers, openapi_config=None)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://darkroom") as client:
        answer = await client.get(f"/content{query}")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
