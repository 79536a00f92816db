"""Webhooks: only the provider's own, for what was really asked, and 200 only when recorded."""

import hashlib
import json
import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.attempt_tokens import AttemptTokens
from contracts.ids import AccountId, JobId
from tests.support.examples import a_job_id
from tests.support.waiting import eventually
from tests.support.worlds import RunningWorld, create, running_world, until_ended

DEMO = AccountId("demo")


def signed(world: RunningWorld, body: bytes, seconds: int = 0, **changes: str) -> dict[str, str]:
    """Headers as the world's own simulator would sign them, with changes."""
    path = world.path / "simulator" / "webhook.key"
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(path.read_text()))
    request_id, user, timestamp = "r-1", "simulated-user", str(int(time.time()) + seconds)
    digest = hashlib.sha256(body).hexdigest()
    message = f"{request_id}\n{user}\n{timestamp}\n{digest}".encode()
    headers = {
        "X-Fal-Webhook-Request-Id": request_id,
        "X-Fal-Webhook-User-Id": user,
        "X-Fal-Webhook-Timestamp": timestamp,
        "X-Fal-Webhook-Signature": key.sign(message).hex(),
    }
    return {**headers, **changes}


def repeated(world: RunningWorld) -> float:
    """How many deliveries the ingestor took for repeats of what is recorded."""
    port = world.world.ports["ingestor_metrics"]
    text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    found = re.search(r'darkroom_webhooks_total\{verdict="repeated"\} (\S+)', text)
    return float(found[1]) if found else 0.0


BODY = json.dumps({"request_id": "r-1", "status": "OK", "payload": {"images": []}}).encode()
PATH = f"/api/infographs/webhook/{a_job_id()}/?attempt=1&token=x"


def events_of(world: RunningWorld) -> Any:
    return world.cli("events", "list", "--type", "ResultReceived", "--limit", "100000")


@pytest.mark.parametrize("front", [True, False], ids=["front door", "ingestor"])
def test_forged_stale_and_tampered_deliveries_are_401_and_leave_nothing(
    world: RunningWorld, *, front: bool
) -> None:
    url = world.url if front else world.world.ingestor_url
    before = len(events_of(world))
    good = signed(world, BODY)
    ahead = 2 * 300  # So far that it stays ahead until the last delivery is sent.
    deliveries: list[tuple[bytes, dict[str, str]]] = [
        (BODY, {}),
        (BODY + b" ", good),
        (BODY, signed(world, BODY, seconds=-301)),
        (BODY, signed(world, BODY, seconds=ahead)),
        (BODY, {**good, "X-Fal-Webhook-Signature": "00" * 64}),
        (BODY, {**good, "X-Fal-Webhook-Signature": "zz"}),
        (BODY, {**good, "X-Fal-Webhook-Request-Id": "r-2"}),
        (BODY, {**good, "X-Fal-Webhook-User-Id": "somebody"}),
        (BODY, {**good, "X-Fal-Webhook-Timestamp": "soon"}),
        (BODY, {**good, "X-Fal-Webhook-Timestamp": ""}),
        (BODY, {name: value for name, value in good.items() if "User" not in name}),
    ]
    for body, headers in deliveries:
        answer = httpx.post(f"{url}{PATH}", content=body, headers=headers)
        assert answer.status_code == 401, (headers, answer.text)
    assert len(events_of(world)) == before


def test_a_body_that_names_another_request_than_its_signature_is_401(world: RunningWorld) -> None:
    body = BODY.replace(b"r-1", b"r-9")
    answer = httpx.post(f"{world.url}{PATH}", content=body, headers=signed(world, body))
    assert answer.status_code == 401


def test_an_unknown_job_or_a_wrong_token_is_404(world: RunningWorld, client: httpx.Client) -> None:
    job = create(client)
    for path in (
        PATH,
        "/api/infographs/webhook/123/?attempt=1&token=x",
        f"/api/infographs/webhook/{job}/?attempt=1&token={'A' * 60}",
        f"/api/infographs/webhook/{job}/?attempt=x&token=",
        f"/api/infographs/webhook/{job}/",
    ):
        answer = httpx.post(f"{world.url}{path}", content=BODY, headers=signed(world, BODY))
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path


@pytest.mark.parametrize("front", [True, False], ids=["front door", "ingestor"])
def test_an_oversized_delivery_is_413(world: RunningWorld, *, front: bool) -> None:
    url = world.url if front else world.world.ingestor_url
    answer = httpx.post(f"{url}{PATH}", content=b"x" * (512 * 1024 + 1))
    assert answer.status_code == 413


def test_a_webhook_that_never_comes_is_healed_by_asking(
    world: RunningWorld, client: httpx.Client
) -> None:
    world.fault("no_webhook")
    job = create(client)
    assert until_ended(client, job)["status"] == "completed"
    history = client.get(f"/api/jobs/{job}/history").json()["items"]
    (result,) = [event for event in history if event["type"] == "ResultReceived"]
    assert result["body"]["via"] == "poll"


@pytest.mark.parametrize(
    "mode", ["forged_webhook", "stale_webhook", "altered_webhook", "empty_webhook"]
)
def test_a_delivery_that_cannot_be_used_does_not_lose_the_job(
    world: RunningWorld, client: httpx.Client, mode: str
) -> None:
    world.fault(mode)
    assert until_ended(client, create(client))["status"] == "completed"


def test_a_duplicate_delivery_charges_once(world: RunningWorld, client: httpx.Client) -> None:
    world.fault("duplicate_webhook")
    before = repeated(world)
    job = create(client)
    until_ended(client, job)
    eventually(lambda: repeated(world) == before + 1)
    items = client.get(f"/api/jobs/{job}/history").json()["items"]
    assert [event["type"] for event in items].count("ResultReceived") == 1
    moves = [
        entry["move"]
        for entry in client.get("/api/credits/entries", params={"limit": 100}).json()["items"]
        if entry["job_id"] == job
    ]
    assert sorted(moves) == ["charged", "reserved"]


def test_a_delivery_of_another_request_than_the_attempts_own_ends_nothing(
    world: RunningWorld, client: httpx.Client
) -> None:
    world.fault("never_ends")
    job = create(client)
    eventually(lambda: client.get(f"/api/jobs/{job}").json()["request_id"])
    tokens = AttemptTokens(bytes.fromhex((world.path / "master.key").read_text()))
    path = f"/api/infographs/webhook/{job}/?attempt=1&token={tokens.mint(DEMO, JobId(job), 1)}"
    answer = httpx.post(f"{world.url}{path}", content=BODY, headers=signed(world, BODY))
    assert answer.status_code == 401
    assert client.get(f"/api/jobs/{job}").json()["status"] == "processing"
    client.post(f"/api/jobs/{job}/cancel")


def test_a_webhook_before_the_reply_to_the_post_completes_the_job(
    world: RunningWorld, client: httpx.Client
) -> None:
    world.fault("late_reply")
    job = create(client)
    assert until_ended(client, job)["status"] == "completed"

    def replied() -> bool:
        items = client.get(f"/api/jobs/{job}/history").json()["items"]
        return str(items[-1]["type"]) == "JobSubmitted"

    eventually(replied)
    assert client.get(f"/api/jobs/{job}").json()["status"] == "completed"


@pytest.mark.parametrize(
    ("mode", "code"),
    [
        ("content_policy", "content_policy"),
        ("result_422", "invalid_input"),
        ("result_500", "provider_failed"),
        ("other_host", "media_host_refused"),
    ],
)
def test_a_failure_at_the_provider_is_told_plainly_and_gives_the_credit_back(
    world: RunningWorld, client: httpx.Client, mode: str, code: str
) -> None:
    before = client.get("/api/credits").json()["available"]
    world.fault(mode)
    document = until_ended(client, create(client))
    assert (document["status"], document["error"]["code"]) == ("failed", code)
    assert "detail" not in document["error"]["message"]
    assert client.get("/api/credits").json()["available"] == before


@pytest.mark.parametrize(
    ("mode", "code"),
    [
        ("dead_file", "bad_result"),
        ("wrong_file", "bad_result"),
        ("bomb_file", "bad_result"),
    ],
)
def test_a_file_that_will_never_do_fails_the_job(
    world: RunningWorld, client: httpx.Client, mode: str, code: str
) -> None:
    world.fault(mode, times=1000)  # A slow download is tried again, and gets no better.
    document = until_ended(client, create(client))
    assert (document["status"], document["error"]["code"]) == ("failed", code)
    assert document["artifacts"] == []


@pytest.fixture(scope="module")
def unsigned() -> Iterator[RunningWorld]:
    """A world that takes webhooks without a signature, and whose jobs have little time."""
    with running_world(
        FAL_WEBHOOKS="unsigned",
        RECONCILE_AFTER_SECONDS="2",
        RECONCILE_EVERY_SECONDS="1",
        JOB_DEADLINE_SECONDS="30",
    ) as running:
        yield running


def test_a_result_that_the_provider_no_longer_has_fails_at_the_deadline_and_costs_nothing(
    unsigned: RunningWorld,
) -> None:
    with unsigned.client() as client:
        before = client.get("/api/credits").json()["available"]
        unsigned.fault("expired")
        unsigned.fault("no_webhook")
        ended = until_ended(client, create(client), 120)
        assert (ended["status"], ended["error"]["code"]) == ("failed", "deadline")
        assert client.get("/api/credits").json()["available"] == before


def test_the_seeds_curl_works_where_unsigned_webhooks_are_allowed(unsigned: RunningWorld) -> None:
    world = unsigned
    with world.client() as client:
        world.fault("never_ends")
        job = create(client)
        image = {"url": "https://elsewhere.example/a.png", "width": 1, "height": 1}
        answer = httpx.post(f"{world.url}/api/infographs/webhook/{job}/", json={"images": [image]})
        assert answer.status_code == 200, answer.text
        document = until_ended(client, job)
        assert document["error"]["code"] == "media_host_refused"
        unknown = httpx.post(f"{world.url}/api/infographs/webhook/{a_job_id()}/", json={})
        assert unknown.status_code == 404


def test_a_jobs_log_tells_what_happened_and_what_the_provider_said(
    world: RunningWorld, client: httpx.Client
) -> None:
    world.fault("never_ends")
    job = create(client)
    said = eventually(lambda: client.get(f"/api/jobs/{job}/logs").json()["provider"])
    assert said["lines"] == ["in_progress"]
    lines = [each["message"] for each in client.get(f"/api/jobs/{job}/logs").json()["items"]]
    assert lines[0].startswith("asked for")
    assert any("the provider has it" in line for line in lines)
    client.post(f"/api/jobs/{job}/cancel")
    last = client.get(f"/api/jobs/{job}/logs").json()["items"][-1]
    assert (last["message"], last["level"]) == ("cancelled", "warning")
