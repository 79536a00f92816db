"""Limits of the whole: a nearly full log, origins of front ends elsewhere."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from tests.support.worlds import (
    RunningWorld,
    create,
    running_world,
    second_api,
    until_ended,
)

pytestmark = pytest.mark.same_on_any_database

ORIGIN = "https://app.example"


@pytest.fixture(scope="module")
def limited() -> Iterator[RunningWorld]:
    """A world whose whole log is reserved for jobs in flight."""
    with running_world(
        LOG_MAX_BYTES="1000000",
        LOG_RESERVE_BYTES="1000000",
        CORS_ORIGINS=ORIGIN,
        CONNECTIONS_PER_ADDRESS_MAX="50",
    ) as world:
        yield world


def test_a_nearly_full_log_takes_no_new_work_and_says_so(limited: RunningWorld) -> None:
    with limited.client() as client:
        answer = client.post("/api/infographs/create/", json={"prompt": "reefs"})
        assert answer.status_code == 503
        assert answer.json()["code"] == "log_full"
        assert int(answer.headers["retry-after"]) > 0
        assert client.get("/api/credits").json()["held"] == 0


def test_a_nearly_full_log_takes_what_frees_and_nothing_that_a_user_can_repeat(
    limited: RunningWorld,
) -> None:
    hooks, job = "/api/webhook-endpoints", "01234567-89ab-72a9-8000-000000000001"
    with limited.client() as client:
        refused = [
            client.post(hooks, json={"url": "https://example.com/"}),
            client.patch(f"{hooks}/ep_1", json={"enabled": True}),
            client.post(f"{hooks}/ep_1/rotate"),
            client.post(f"{hooks}/ep_1/deliveries/d/resend"),
            client.delete(f"/api/infographs/{job}/"),
            client.post(f"/api/jobs/{job}/retry"),
            client.post("/api/generate/retry-failed", json={"projectId": "p"}),
            client.post("/api/generate/auto-generate-all", json={"projectId": "p", "intake": "i"}),
            client.post("/api/characters/c/image/", json={"name": "n", "description": "d"}),
        ]
        let_in = [
            client.delete(f"{hooks}/ep_1"),
            client.post(f"/api/jobs/{job}/cancel"),
            client.post(f"/api/runs/{job}/cancel"),
        ]
    assert {answer.json().get("code") for answer in refused[:4]} == {"log_full"}
    assert refused[4].json()["code"] == "log_full"
    assert {answer.status_code for answer in refused[5:]} <= {404, 503}
    assert [answer.status_code for answer in let_in] == [404, 404, 404]
    tokens = "/api/operator/tokens"
    with limited.client(limited.world.tokens["operator"]) as operator:
        issued = operator.post(tokens, json={"account": "product", "role": "service"}).json()
        with limited.client(issued["token"]) as service:
            grown = service.post(tokens, json={"account": "user-of-product"})
            assert (grown.status_code, grown.json()["code"]) == (503, "log_full")
        assert operator.delete(f"{tokens}/{issued['id']}").status_code == 204


def test_an_allowed_origin_may_read_what_it_needs(limited: RunningWorld) -> None:
    headers = {"Origin": ORIGIN, "Authorization": f"Token {limited.world.tokens['user']}"}
    answer = httpx.get(f"{limited.url}/api/credits", headers=headers)
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    exposed = {name.strip() for name in answer.headers["access-control-expose-headers"].split(",")}
    described = {header for answer in _described(limited) for header in answer.get("headers", {})}
    assert exposed == described - {"WWW-Authenticate"}
    preflight = httpx.options(
        f"{limited.url}/api/infographs/create/",
        headers={
            "Origin": ORIGIN,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization, content-type, idempotency-key",
        },
    )
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == ORIGIN


def _described(world: RunningWorld) -> list[dict[str, Any]]:
    """Return every answer that the OpenAPI document names."""
    paths = httpx.get(f"{world.url}/api/openapi.json").json()["paths"].values()
    return [
        answer for path in paths for each in path.values() for answer in each["responses"].values()
    ]


def test_another_origin_may_not(limited: RunningWorld) -> None:
    headers = {"Origin": "https://evil.example"}
    answer = httpx.get(f"{limited.url}/health/live", headers=headers)
    assert answer.headers.get("access-control-allow-origin") != "https://evil.example"


def test_one_address_may_have_so_many_connections(limited: RunningWorld) -> None:
    address = (limited.world.host, limited.world.port)
    with ExitStack() as opened:
        for _ in range(50):
            opened.enter_context(socket.create_connection(address, source_address=("127.0.0.2", 0)))
        last = socket.create_connection(address, source_address=("127.0.0.2", 0))
        assert opened.enter_context(last).recv(100).startswith(b"HTTP/1.1 503 ")
        assert httpx.get(f"{limited.url}/health/live").status_code == 200


@pytest.fixture(scope="module")
def fair() -> Iterator[RunningWorld]:
    """A world in which little is allowed: to ask, to have open, to have at the provider."""
    with running_world(
        SIMULATOR_SECONDS="0.5",
        PROVIDER_CONCURRENCY_MAX="4",
        ACCOUNT_REQUESTS_PER_MINUTE="40",
        ACCOUNT_JOBS_IN_FLIGHT_MAX="100",
    ) as world:
        yield world


def test_one_accounts_heap_does_not_starve_another(fair: RunningWorld) -> None:
    one, other = fair.new_account("heap", 100), fair.new_account("small", 1)
    with fair.client(one) as heap, fair.client(other) as small:
        body = {"prompt": "heap", "number_of_infographs": 4}
        headers = {"Prefer": "respond-async"}
        for _ in range(20):
            assert heap.post("/api/infographs/create/", json=body, headers=headers).is_success
        until_ended(small, create(small, headers=headers))
        ended = heap.get("/api/jobs", params={"status": "completed", "limit": 100}).json()
    assert len(ended["items"]) < 60


def test_an_account_may_have_so_many_jobs_in_flight(fair: RunningWorld) -> None:
    with fair.client(fair.new_account("many", 200)) as client:
        headers = {"Prefer": "respond-async"}
        body = {"prompt": "many", "number_of_infographs": 4}
        statuses = [
            client.post("/api/infographs/create/", json=body, headers=headers).status_code
            for _ in range(30)
        ]
        refused = client.post("/api/infographs/create/", json=body, headers=headers)
    assert 429 in statuses
    assert refused.json()["code"] == "too_many_jobs"
    assert int(refused.headers["retry-after"]) > 0


def test_a_rate_holds_across_processes(fair: RunningWorld) -> None:
    token = fair.new_account("eager", 1)
    headers = {"Authorization": f"Token {token}", "Prefer": "respond-async"}
    with second_api(fair) as other:

        def ask(number: int) -> int:
            url = (fair.url, other)[number % 2]
            time.sleep(0.03)  # The load of two seconds, in which the processes report thrice.
            body = {"prompt": "eager", "number_of_infographs": 2}
            answer = httpx.post(f"{url}/api/infographs/create/", json=body, headers=headers)
            return answer.status_code

        while time.time() % 60 > 50:
            time.sleep(0.2)  # All of the run falls into one minute, by which requests are counted.
        first = [ask(number) for number in range(60)]
        # Each process has counted 30 of its own: by itself it would let ten more in. Six tries are
        # too few for that, so it is the other's reports that end them.
        answers = []
        for _ in range(6):
            time.sleep(0.3)  # Reports go out twice a second.
            answers = [ask(number) for number in range(2)]
            if answers == [429, 429]:
                break
    assert first.count(402) < 60
    assert answers == [429, 429]
