"""Limits of the whole: a nearly full log, origins of front ends elsewhere."""

from collections.abc import Iterator

import httpx
import pytest

from tests.support.worlds import RunningWorld, running_world

ORIGIN = "https://app.example"


@pytest.fixture(scope="module")
def limited() -> Iterator[RunningWorld]:
    """A world whose whole log is reserved for jobs in flight."""
    with running_world(
        LOG_MAX_BYTES="1000000", LOG_RESERVE_BYTES="1000000", CORS_ORIGINS=ORIGIN
    ) as world:
        yield world


def test_a_nearly_full_log_takes_no_new_work_and_says_so(limited: RunningWorld) -> None:
    with limited.client() as client:
        answer = client.post("/api/infographs/create/", json={"prompt": "reefs"})
        assert answer.status_code == 503
        assert answer.json()["code"] == "log_full"
        assert int(answer.headers["retry-after"]) > 0
        assert client.get("/api/credits").json()["held"] == 0


def test_an_allowed_origin_may_read_what_it_needs(limited: RunningWorld) -> None:
    headers = {"Origin": ORIGIN, "Authorization": f"Token {limited.world.tokens['user']}"}
    answer = httpx.get(f"{limited.url}/api/credits", headers=headers)
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    exposed = {name.strip() for name in answer.headers["access-control-expose-headers"].split(",")}
    assert {"ETag", "Link", "Location", "Retry-After", "Darkroom-As-Of"} <= exposed
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


def test_another_origin_may_not(limited: RunningWorld) -> None:
    headers = {"Origin": "https://evil.example"}
    answer = httpx.get(f"{limited.url}/health/live", headers=headers)
    assert answer.headers.get("access-control-allow-origin") != "https://evil.example"
