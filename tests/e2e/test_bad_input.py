"""Bad input gets a clear 4xx with field and reason, and leaves nothing in the log."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from contracts.cursor import parse_cursor
from tests.support.examples import a_job_id
from tests.support.worlds import RunningWorld, running_world

pytestmark = pytest.mark.same_on_any_database

JSON = {"Content-Type": "application/json"}
MARK = "/api/operator/accounts/marks/grant"
COMMITS_OF_A_MARK = 2  # The grant itself, and that an operator did it.
CREATE = "/api/infographs/create/"


@pytest.fixture(scope="module")
def world() -> Iterator[RunningWorld]:
    """A world in which nobody ever asks for work, so that nothing but a request writes."""
    with running_world() as running:
        yield running


@pytest.fixture
def client(world: RunningWorld) -> Iterator[httpx.Client]:
    with world.client() as opened:
        yield opened


@pytest.fixture
def log_unchanged(world: RunningWorld) -> Iterator[None]:
    """No commit was written meanwhile, by whomever: the log's sequences have no holes."""
    with world.client(world.world.tokens["operator"]) as operator:

        def marked() -> int:
            """Write a commit, which comes after all that was written before; return where."""
            answer = operator.post(MARK, json={"amount": 1, "reason": "a mark"})
            return parse_cursor(answer.raise_for_status().json()["as_of"]).sequence

        before = marked()
        yield
        assert marked() == before + COMMITS_OF_A_MARK


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    document: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "detail", "code", "request_id"} <= set(document)
    assert document["code"] == code
    return document


@pytest.mark.usefixtures("log_unchanged")
@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": "   "}, "prompt"),
        ({"prompt": "x" * 4001}, "prompt"),
        ({"prompt": "a\x00b"}, "prompt"),
        ({"prompt": 1}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"prompt": "x", "aspect_ratio": "7:5"}, "aspect_ratio"),
        ({"prompt": "x", "resolution": "9K"}, "resolution"),
        ({"prompt": "x", "number_of_infographs": 0}, "number_of_infographs"),
        ({"prompt": "x", "number_of_infographs": 5}, "number_of_infographs"),
        ({"prompt": "x", "number_of_infographs": "2"}, "number_of_infographs"),
        ({"prompt": "x", "unknown": 1}, "unknown"),
        ({"prompt": "x", "blog_url": "file:///etc/passwd"}, "blog_url"),
        ({"prompt": "x", "blog_url": 7}, "blog_url"),
    ],
)
def test_a_wrong_value_names_its_field(
    client: httpx.Client, fields: dict[str, Any], field: str
) -> None:
    document = problem(client.post(CREATE, json=fields), 422, "invalid")
    assert [error["field"] for error in document["errors"]] == [field]


@pytest.mark.usefixtures("log_unchanged")
def test_all_wrong_fields_are_named_at_once(client: httpx.Client) -> None:
    sent = {"promt": "x", "resolution": "9K", "aspect_ratio": "7:5", "number_of_infographs": "2"}
    wrong = ["prompt", "aspect_ratio", "resolution", "number_of_infographs", "promt"]
    document = problem(client.post(CREATE, json=sent), 422, "invalid")
    assert [error["field"] for error in document["errors"]] == wrong
    assert all(name in document["detail"] for name in wrong)
    given = {"kind": "infograph", "input": {"resolution": 2, "blog_url": "x"}}
    document = problem(client.post("/api/jobs", json=given), 422, "invalid")
    assert [error["field"] for error in document["errors"]] == ["prompt", "blog_url", "resolution"]


@pytest.mark.usefixtures("log_unchanged")
@pytest.mark.parametrize(
    "body",
    [b"{", b"[" * 100_000, b'{"prompt":"\\ud800"}', b'{"prompt":"\xff"}', b"nonsense"],
    ids=["cut off", "deep", "lone surrogate", "not utf-8", "no json"],
)
def test_what_cannot_be_parsed_is_a_400(client: httpx.Client, body: bytes) -> None:
    problem(client.post(CREATE, content=body, headers=JSON), 400, "unparsable")


@pytest.mark.usefixtures("log_unchanged")
@pytest.mark.parametrize("body", [b"", b"[]", b"1", b"null"])
def test_a_body_that_is_no_object_is_a_422(client: httpx.Client, body: bytes) -> None:
    problem(client.post(CREATE, content=body, headers=JSON), 422, "invalid")


@pytest.mark.usefixtures("log_unchanged")
def test_a_body_that_is_not_there_is_said_to_be_missing(client: httpx.Client) -> None:
    document = problem(client.post(CREATE), 422, "invalid")
    assert document["errors"] == [{"field": "body", "message": "has to be there, as JSON"}]


def test_a_position_that_no_read_has_reached_is_told_as_that(client: httpx.Client) -> None:
    epoch = client.get("/api/credits").json()["as_of"].partition(".")[0]
    ahead = client.get(f"/api/jobs?min_as_of={epoch}.999999999.0")
    assert "has not come that far" in problem(ahead, 503, "unavailable")["detail"]


def test_figures_have_one_charset(world: RunningWorld) -> None:
    with world.client(world.world.tokens["operator"]) as operator:
        assert operator.get("/metrics").headers["content-type"].count("charset") == 1


def test_a_body_of_20_megabytes_is_a_413(client: httpx.Client) -> None:
    problem(client.post(CREATE, content=b"x" * 20_000_000, headers=JSON), 413, "too_large")


@pytest.mark.usefixtures("log_unchanged")
@pytest.mark.parametrize(
    "body", [{"kind": "video", "input": {}}, {"kind": "infograph"}, {"input": {}}]
)
def test_any_kind_of_job_is_checked_alike(client: httpx.Client, body: dict[str, Any]) -> None:
    problem(client.post("/api/jobs", json=body), 422, "invalid")


@pytest.mark.usefixtures("log_unchanged")
@pytest.mark.parametrize(
    "header",
    ["", "Token", "Token x", "Basic dTpw", "Token dkr_" + "A" * 43, "Token dkr_" + "é" * 43],
)
def test_no_or_a_wrong_token_is_a_401(world: RunningWorld, header: str) -> None:
    headers = {b"Authorization": header.encode()} if header else {}
    for path in ("/api/credits", "/api/jobs", "/api/infographs/list/", "/metrics"):
        answer = httpx.get(f"{world.url}{path}", headers=headers)
        problem(answer, 401, "unauthorized")
        how = "43 characters" in answer.json()["detail"]
        assert how is not header.endswith("A" * 43)
        assert answer.headers["www-authenticate"].startswith("Token")


def test_a_revoked_token_is_a_401(world: RunningWorld) -> None:
    issued = world.cli("tokens", "issue", "--account", "leaver")
    with world.client(issued["token"]) as client:
        assert client.get("/api/credits").status_code == 200
        world.cli("tokens", "revoke", issued["id"])
        problem(client.get("/api/credits"), 401, "unauthorized")


@pytest.mark.usefixtures("log_unchanged")
@pytest.mark.parametrize("text", ["123", "a.b", "%00", "x" * 300, a_job_id()])
def test_an_unknown_id_is_a_404(client: httpx.Client, text: str) -> None:
    problem(client.get(f"/api/jobs/{text}"), 404, "not_found")
    problem(client.get(f"/artifacts/{text}"), 404, "not_found")


def test_an_unknown_path_or_method_is_told_apart(client: httpx.Client) -> None:
    problem(client.get("/api/nothing"), 404, "not_found")
    problem(client.put(CREATE), 405, "method_not_allowed")


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "status=lost", "cursor=x", "cursor=1.2"]
)
def test_a_wrong_query_is_a_422(client: httpx.Client, query: str) -> None:
    problem(client.get(f"/api/jobs?{query}"), 422, "invalid")
    if query not in {"status=lost", "cursor=1.2"}:
        problem(client.get(f"/api/credits/entries?{query}"), 422, "invalid")


@pytest.mark.usefixtures("log_unchanged")
@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
def test_a_wrong_idempotency_key_is_a_422(client: httpx.Client, key: str) -> None:
    answer = client.post(CREATE, json={"prompt": "x"}, headers={"Idempotency-Key": key})
    document = problem(answer, 422, "invalid")
    assert document["errors"][0]["field"] == "Idempotency-Key"
