"""Every text of every route, and every text of the provider, with characters nobody expects: each
gets a clear answer, and everybody else's work goes on. On both databases.
"""

import http.client
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.e2e.test_funnels import STEPS, until_idle
from tests.support.strange_text import Try, tries
from tests.support.worlds import RunningWorld, create, until_ended, world_on

pytestmark = pytest.mark.same_on_any_database  # It brings both.

STRANGE = "\x00\x01\x0c\x1b\x7f\x85\u2028\u202e"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def strange_world(request: pytest.FixtureRequest) -> Iterator[RunningWorld]:
    with world_on(
        request.param,
        ACCOUNT_REQUESTS_PER_MINUTE="100000",
        ACCOUNT_READS_PER_MINUTE="100000",
        ACCOUNT_JOBS_IN_FLIGHT_MAX="100000",
        CREATE_WAIT_SECONDS="0",
    ) as world:
        yield world


@pytest.fixture
def client(strange_world: RunningWorld) -> Iterator[httpx.Client]:
    with strange_world.client() as opened:
        yield opened
    strange_world.simulator("DELETE", "failures")


def sent(url: str, token: str, attempt: Try) -> tuple[int, str]:
    """Send it as it is: a client of HTTP would not let it pass. Return status and media type."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=40)
    try:
        connection.putrequest(attempt.method, attempt.target)
        connection.putheader("Authorization", f"Token {token}")
        if "Content-Type" not in attempt.headers:
            connection.putheader("Content-Type", "application/json")
        for name, value in attempt.headers.items():
            connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(attempt.body)))
        connection.endheaders(attempt.body)
        answer = connection.getresponse()
        return answer.status, answer.headers.get_content_type()
    finally:
        connection.close()


def goes_on(client: httpx.Client) -> None:
    """The projector still projects, and the provider still gets work."""
    job = create(client, "what comes afterwards")
    assert until_ended(client, job)["status"] == "completed"


def test_every_text_of_every_route_gets_a_clear_answer(
    strange_world: RunningWorld, client: httpx.Client
) -> None:
    operator = strange_world.world.tokens["operator"]
    with strange_world.client(operator) as opened:
        document = opened.get("/api/openapi.json").json()
    wrong = []
    count = 0
    for attempt in tries(document):
        count += 1
        status, media_type = sent(strange_world.url, operator, attempt)
        is_clear = status < 400 or media_type in {"application/problem+json", "text/plain"}
        if status >= 500 or not is_clear:
            wrong.append((attempt.method, attempt.target, attempt.where, status, media_type))
    assert not wrong
    assert count > 3000
    goes_on(client)


@pytest.mark.parametrize("mode", ["strange_result", "strange_words"])
def test_whatever_a_picture_comes_with_its_job_ends(
    strange_world: RunningWorld, client: httpx.Client, mode: str
) -> None:
    strange_world.fault(mode)
    job = until_ended(client, create(client))
    assert job["status"] == ("completed" if mode == "strange_result" else "failed")
    message = (job["error"] or {"message": ""})["message"]
    assert not set(message) & set(STRANGE)
    logs: dict[str, Any] = client.get(f"/api/jobs/{job['id']}/logs").json()
    assert not set(str(logs)) & set(STRANGE)
    goes_on(client)


def test_a_request_id_that_cannot_be_kept_is_an_unknown_outcome(
    strange_world: RunningWorld, client: httpx.Client
) -> None:
    """The webhook that names the job settles it."""
    strange_world.fault("strange_id")
    job = until_ended(client, create(client))
    assert job["status"] == "completed"
    goes_on(client)


def test_a_run_goes_on_whatever_its_texts_hold(
    strange_world: RunningWorld, client: httpx.Client
) -> None:
    strange_world.fault("strange_result", times=len(STEPS))
    body = {"projectId": "strange", "intake": {"a": "b\n"}}
    assert client.post("/api/generate/auto-generate-all", json=body).status_code == 202
    assert until_idle(client, "strange")["completedSteps"] == STEPS
    text = client.get("/api/generate/content?projectId=strange&step=2").json()["content"]
    assert "\ufffd" in text
    assert not set(text) & set(STRANGE) - {"\u2028", "\u202e"}


def test_an_endpoint_with_a_strange_url_is_refused_and_others_are_told(
    client: httpx.Client,
) -> None:
    for url in ("https://a\x7f.example/", "https://xn--0/", "https://a.example/\x85"):
        answer = client.post("/api/webhook-endpoints", json={"url": url})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "url")


def test_an_operators_reason_is_checked_too(strange_world: RunningWorld) -> None:
    for reason in ("a\x7f", "a\n", "x" * 201, " "):
        asked = ("credits", "grant", "--account", "demo", "--amount", "1", "--reason", reason)
        assert strange_world.cli(*asked, check=False) == []
