"""Customers hear of each end once, under a signature that holds, and only outwards."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.receiver import Received, Receiver, a_receiver
from tests.support.waiting import eventually
from tests.support.worlds import RunningWorld, create, running_world, until_ended


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with a_receiver() as found:
        yield found


@pytest.fixture(scope="module")
def notifying(receiver: Receiver) -> Iterator[RunningWorld]:
    """A world that may reach the receiver, although it has a private address."""
    with running_world(WEBHOOK_HOSTS_ALLOWED=receiver.host) as running:
        yield running


@pytest.fixture
def client(notifying: RunningWorld, receiver: Receiver) -> Iterator[httpx.Client]:
    notifying.simulator("DELETE", "faults")
    with notifying.client() as opened:
        yield opened
        for each in opened.get("/api/webhook-endpoints").json()["items"]:
            opened.delete(f"/api/webhook-endpoints/{each['id']}")
    receiver.answers.clear()
    receiver.received.clear()


def register(client: httpx.Client, receiver: Receiver, *types: str) -> dict[str, Any]:
    body: dict[str, Any] = {"url": f"http://{receiver.host}/hooks?key=secret"}
    answer = client.post(
        "/api/webhook-endpoints", json=body | ({"types": list(types)} if types else {})
    )
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    return document


def verified(received: Received, secret: str) -> Any:
    """Check the signature as a customer would, by the words of Standard Webhooks."""
    parts = (received.headers["webhook-id"], received.headers["webhook-timestamp"])
    signed = ".".join(parts).encode() + b"." + received.body
    key = base64.b64decode(secret.removeprefix("whsec_"))
    wanted = "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    assert wanted in received.headers["webhook-signature"].split(" ")
    assert abs(time.time() - int(parts[1])) < 60
    return json.loads(received.body)


def of(receiver: Receiver, object_id: str) -> list[Received]:
    return [each for each in list(receiver.received) if object_id.encode() in each.body]


def deliveries(client: httpx.Client, endpoint: str) -> list[dict[str, Any]]:
    path = f"/api/webhook-endpoints/{endpoint}/deliveries"
    items: list[dict[str, Any]] = client.get(path).json()["items"]
    return items


def test_a_completed_job_is_told_once_and_signed(client: httpx.Client, receiver: Receiver) -> None:
    endpoint = register(client, receiver)
    job = until_ended(client, create(client))
    eventually(lambda: of(receiver, job["id"]))
    document = verified(of(receiver, job["id"])[0], endpoint["secret"])
    assert document["type"] == "job.completed"
    assert document["data"]["status"] == "completed"
    assert document["data"]["artifacts"][0]["url"] == job["artifacts"][0]["url"]
    assert "coral reefs" not in json.dumps(document), "what people wrote is fetched with a token"
    shown = eventually(lambda: _with_status(client, endpoint["id"], "sent"))
    assert (shown["object_id"], shown["attempts"], shown["last_status"]) == (job["id"], 1, 200)
    deliver_one_more(client, receiver, endpoint["id"])
    assert len(of(receiver, job["id"])) == 1


def deliver_one_more(client: httpx.Client, receiver: Receiver, endpoint: str) -> str:
    """Let one more job end and be delivered, and wait until no delivery to the endpoint is owed.

    Deliveries overtake each other, so the later one alone would prove nothing of earlier ones;
    where every row says `sent`, nothing is left that could be sent again.
    """
    job = str(until_ended(client, create(client))["id"])
    eventually(lambda: of(receiver, job))
    eventually(lambda: {each["status"] for each in deliveries(client, endpoint)} == {"sent"})
    return job


def _with_status(client: httpx.Client, endpoint: str, status: str) -> dict[str, Any] | None:
    found = deliveries(client, endpoint)
    return found[0] if found and found[0]["status"] == status else None


def test_a_failed_job_and_a_run_are_told_to_who_wants_them(
    notifying: RunningWorld, client: httpx.Client, receiver: Receiver
) -> None:
    register(client, receiver, "job.failed", "run.completed")
    notifying.fault("run", "content_policy")
    job = until_ended(client, create(client))
    body = {"projectId": "told", "intake": {"a": 1}}
    run = client.post("/api/generate/auto-generate-all", json=body).json()["runId"]
    eventually(lambda: of(receiver, run))
    eventually(lambda: of(receiver, job["id"]))
    types = {json.loads(each.body)["type"] for each in receiver.received}
    assert types == {"job.failed", "run.completed"}


def test_a_server_that_fails_is_tried_again_with_the_same_id(
    client: httpx.Client, receiver: Receiver
) -> None:
    endpoint = register(client, receiver)
    receiver.answers.extend([500])
    job = until_ended(client, create(client))["id"]
    waiting = eventually(lambda: _with_status(client, endpoint["id"], "waiting"))
    eventually(lambda: len(of(receiver, job)) == 2)
    first, second = of(receiver, job)
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert waiting["object_id"] == job
    assert eventually(lambda: _with_status(client, endpoint["id"], "sent"))["attempts"] == 2


def test_a_redirect_is_not_followed(client: httpx.Client, receiver: Receiver) -> None:
    endpoint = register(client, receiver)
    receiver.answers.append(302)
    until_ended(client, create(client))
    shown = eventually(lambda: _failed_once(client, endpoint["id"]))
    assert (shown["last_status"], shown["last_error"]) == (302, "HTTP 302")


def _failed_once(client: httpx.Client, endpoint: str) -> dict[str, Any] | None:
    return next((each for each in deliveries(client, endpoint) if each["last_error"]), None)


def test_an_endpoint_that_is_gone_is_disabled_and_can_be_enabled_again(
    client: httpx.Client, receiver: Receiver
) -> None:
    endpoint = register(client, receiver)["id"]
    receiver.answers.append(410)
    until_ended(client, create(client))
    path = "/api/webhook-endpoints"
    eventually(lambda: not client.get(path).json()["items"][0]["enabled"])
    quiet = until_ended(client, create(client))["id"]
    assert client.patch(f"{path}/{endpoint}", json={"enabled": True}).json()["enabled"]
    heard = until_ended(client, create(client))["id"]
    eventually(lambda: of(receiver, heard))
    assert not of(receiver, quiet)


def test_a_delivery_can_be_sent_again(client: httpx.Client, receiver: Receiver) -> None:
    endpoint = register(client, receiver)["id"]
    job = until_ended(client, create(client))["id"]
    sent = eventually(lambda: _with_status(client, endpoint, "sent"))
    path = f"/api/webhook-endpoints/{endpoint}/deliveries/{sent['id']}/resend"
    assert client.post(path).status_code == 202
    eventually(lambda: len(of(receiver, job)) == 2)
    assert client.post(path.replace(sent["id"], "unknown")).status_code == 404


def test_a_rotated_secret_signs_at_once_and_the_old_one_holds_on(
    client: httpx.Client, receiver: Receiver
) -> None:
    endpoint = register(client, receiver)
    rotated = client.post(f"/api/webhook-endpoints/{endpoint['id']}/rotate").json()["secret"]
    assert rotated != endpoint["secret"]
    job = until_ended(client, create(client))["id"]
    eventually(lambda: of(receiver, job))
    for secret in (rotated, endpoint["secret"]):
        verified(of(receiver, job)[0], secret)


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/x",
        "https://10.0.0.1/x",
        "https://169.254.169.254/latest",
        "https://[::1]/x",
        "https://localhost/x",
        "https://127.0.0.1.:443/x",
        "http://example.com/x",
        "ftp://example.com/x",
        "https://user:password@example.com/x",
        "https://1.1.1.1:25/x",
        "not a url",
        "",
    ],
)
def test_a_url_that_leads_inwards_or_is_none_is_a_422(client: httpx.Client, url: str) -> None:
    answer = client.post("/api/webhook-endpoints", json={"url": url})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "url")
    assert client.get("/api/webhook-endpoints").json()["items"] == []


def test_each_wrong_request_about_an_endpoint_has_an_answer_of_its_own(
    client: httpx.Client, receiver: Receiver
) -> None:
    path = "/api/webhook-endpoints"
    good = f"http://{receiver.host}/"
    assert client.post(path, json={"url": good, "types": ["job.born"]}).status_code == 422
    assert client.post(path, json={"url": good, "types": []}).status_code == 422
    for _ in range(10):
        register(client, receiver)
    refused = client.post(path, json={"url": good})
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_endpoints")
    assert client.get(f"{path}/ep_unknown/deliveries").status_code == 404
    assert client.patch(f"{path}/ep_unknown", json={"enabled": False}).status_code == 404


def test_another_accounts_endpoints_are_not_there(
    notifying: RunningWorld, client: httpx.Client, receiver: Receiver
) -> None:
    endpoint = register(client, receiver)["id"]
    with notifying.client(notifying.new_account("nosy", 1)) as other:
        assert other.get("/api/webhook-endpoints").json()["items"] == []
        assert other.delete(f"/api/webhook-endpoints/{endpoint}").status_code == 404
        assert other.get(f"/api/webhook-endpoints/{endpoint}/deliveries").status_code == 404
        until_ended(other, create(other))
    own = deliver_one_more(client, receiver, endpoint)
    assert [each["object_id"] for each in deliveries(client, endpoint)] == [own]


def test_nothing_is_told_again_when_the_rows_are_projected_anew(
    notifying: RunningWorld, client: httpx.Client, receiver: Receiver
) -> None:
    endpoint = register(client, receiver)["id"]
    job = until_ended(client, create(client))["id"]
    eventually(lambda: _with_status(client, endpoint, "sent"))
    notifying.stop()
    for path in notifying.path.glob("read-models.*"):
        path.unlink()
    notifying.restart()
    with notifying.client() as again:
        assert eventually(lambda: _with_status(again, endpoint, "sent"))["object_id"] == job
        deliver_one_more(again, receiver, endpoint)
    assert len(of(receiver, job)) == 1
