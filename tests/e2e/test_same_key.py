"""The same Idempotency-Key and body get the same answer, on every route that makes something."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tests.support.receiver import Received, Receiver, a_receiver
from tests.support.waiting import eventually
from tests.support.worlds import RunningWorld, create, running_world, until_ended

KEY = {"Idempotency-Key": "k"}
HOOKS = "/api/webhook-endpoints"


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with a_receiver() as found:
        yield found


@pytest.fixture(scope="module")
def keyed(receiver: Receiver) -> Iterator[RunningWorld]:
    with running_world(WEBHOOK_HOSTS_ALLOWED=receiver.host, LOG_FORMAT="json") as running:
        yield running


@pytest.fixture
def client(keyed: RunningWorld) -> Iterator[httpx.Client]:
    keyed.simulator("DELETE", "faults")
    with keyed.client() as opened:
        yield opened
        for each in opened.get(HOOKS).json()["items"]:
            opened.delete(f"{HOOKS}/{each['id']}")


@pytest.fixture
def operator(keyed: RunningWorld) -> Iterator[httpx.Client]:
    with keyed.client(keyed.world.tokens["operator"]) as opened:
        yield opened


def answers_alike(first: httpx.Response, second: httpx.Response) -> Any:
    """Check that the second is the first again, and says so; return what it says."""
    assert first.is_success, first.text
    assert (second.status_code, second.text) == (first.status_code, first.text)
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert second.headers["darkroom-as-of"] == first.headers["darkroom-as-of"]
    return first.json()


def reused(answer: httpx.Response) -> bool:
    return (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


def test_an_endpoint_registered_again_is_the_first_with_its_secret(
    client: httpx.Client, receiver: Receiver
) -> None:
    body = {"url": f"http://{receiver.host}/a", "types": ["job.completed"]}
    headers = {"Idempotency-Key": "register"}
    first, second = (client.post(HOOKS, json=body, headers=headers) for _ in range(2))
    shown = answers_alike(first, second)
    assert [each["id"] for each in client.get(HOOKS).json()["items"]] == [shown["id"]]
    swapped = {"types": body["types"], "url": body["url"]}
    same = client.post(HOOKS, json=swapped, headers=headers)
    assert same.text == first.text, "the fields' order does not matter"
    assert reused(client.post(HOOKS, json=body | {"types": ["job.failed"]}, headers=headers))
    job = until_ended(client, create(client))["id"]
    (sent,) = eventually(lambda: [each for each in receiver.received if job.encode() in each.body])
    assert _signed_by(sent, shown["secret"])


def _signed_by(sent: Received, secret: str) -> bool:
    try:
        Webhook(secret).verify(sent.body, dict(sent.headers))
    except WebhookVerificationError:
        return False
    return True


def test_a_secret_rotated_again_is_the_first_ones_and_no_third(
    client: httpx.Client, receiver: Receiver
) -> None:
    made = client.post(HOOKS, json={"url": f"http://{receiver.host}/b"}).json()
    path, headers = f"{HOOKS}/{made['id']}/rotate", {"Idempotency-Key": "rotate"}
    first, second = (client.post(path, headers=headers) for _ in range(2))
    shown = answers_alike(first, second)
    assert shown["secret"] != made["secret"]
    other = client.post(path, headers={"Idempotency-Key": "another"}).json()
    assert client.post(path, headers=headers).json() == shown, "whatever came in between"
    job = until_ended(client, create(client))["id"]
    (sent,) = eventually(lambda: [each for each in receiver.received if job.encode() in each.body])
    assert _signed_by(sent, other["secret"])


def test_a_change_and_a_resend_are_made_once(client: httpx.Client, receiver: Receiver) -> None:
    made = client.post(HOOKS, json={"url": f"http://{receiver.host}/c"}).json()
    path, headers = f"{HOOKS}/{made['id']}", {"Idempotency-Key": "change"}
    body = {"types": ["job.failed"], "enabled": False}
    answers_alike(*(client.patch(path, json=body, headers=headers) for _ in range(2)))
    assert client.patch(path, json={"enabled": True}).json()["types"] == ["job.failed"]
    client.patch(path, json={"types": ["job.completed"]})
    until_ended(client, create(client))
    (delivery,) = eventually(lambda: client.get(f"{path}/deliveries").json()["items"])
    again = f"{path}/deliveries/{delivery['id']}/resend"
    headers = {"Idempotency-Key": "resend"}
    answers_alike(*(client.post(again, headers=headers) for _ in range(2)))


def test_a_token_issued_again_is_the_same_token(
    keyed: RunningWorld, operator: httpx.Client
) -> None:
    body = {"account": "twice", "role": "user"}
    path = "/api/operator/tokens"
    first, second = (operator.post(path, json=body, headers=KEY) for _ in range(2))
    shown = answers_alike(first, second)
    listed = eventually(
        lambda: operator.get(path, params={"account": "twice"}).json()["items"]
    )  # the read model follows the log
    assert [each["id"] for each in listed] == [shown["id"]]
    with keyed.client(shown["token"]) as user:
        assert user.get("/api/credits").status_code == 200
    assert reused(operator.post(path, json=body | {"role": "operator"}, headers=KEY))
    told_of = keyed.cli("events", "list", "--type", "AccessTokenIssued", "--limit", "1000")
    assert shown["token"] not in str(told_of)
    assert shown["token"].encode() not in b"".join(
        each.read_bytes() for each in keyed.path.rglob("*") if each.is_file() and _is_state(each)
    )


def _is_state(path: Any) -> bool:
    return path.suffix in {".blk", ".sqlite3", ".sqlite3-wal", ".log"}


def test_a_grant_repeated_later_answers_what_the_first_did(operator: httpx.Client) -> None:
    path, body = "/api/operator/accounts/granted/grant", {"amount": 5, "reason": "welcome"}
    first = operator.post(path, json=body, headers=KEY)
    operator.post(path, json={"amount": 7, "reason": "more"})
    shown = answers_alike(first, operator.post(path, json=body, headers=KEY))
    assert (shown["available"], shown["granted"]) == (5, 5)


def test_nobody_takes_the_keys_of_an_operator(keyed: RunningWorld, operator: httpx.Client) -> None:
    token = keyed.new_account("squatter", 4)
    with keyed.client(token) as user:
        for key in ("operators:welcome", "issuer:operators:welcome", "cli:welcome", "welcome"):
            create(user, headers={"Idempotency-Key": key})
    path, body = "/api/operator/accounts/squatter/grant", {"amount": 5, "reason": "welcome"}
    granted = operator.post(path, json=body, headers={"Idempotency-Key": "welcome"})
    assert granted.status_code == 200
    whose = ("--account", "squatter", "--amount", "1", "--reason", "r")
    assert keyed.cli("credits", "grant", *whose, "--key", "welcome")["granted"] == 10


def test_retrying_what_failed_twice_under_one_key_is_one_run(
    keyed: RunningWorld, client: httpx.Client
) -> None:
    body: dict[str, Any] = {"projectId": "again", "intake": {"a": 1}}
    keyed.fault("run", "text_error")
    client.post("/api/generate/auto-generate-all", json=body)
    eventually(lambda: not _status(client, "again")["isGenerating"])
    keyed.simulator("POST", "seconds", 1)
    try:
        body = {"projectId": "again"}
        first, second = (
            client.post("/api/generate/retry-failed", json=body, headers=KEY) for _ in range(2)
        )
        answers_alike(first, second)
    finally:
        keyed.simulator("POST", "seconds", 0.2)
    eventually(lambda: not _status(client, "again")["isGenerating"])
    assert client.post("/api/generate/retry-failed", json=body, headers=KEY).text == first.text


def _status(client: httpx.Client, project: str) -> Any:
    return client.get("/api/generate/generation-status", params={"projectId": project}).json()


def test_a_retry_is_made_once_alone_and_among_many(
    keyed: RunningWorld, client: httpx.Client
) -> None:
    keyed.fault("run", "runner_error", times=3)
    failed = [create(client) for _ in range(3)]
    for job in failed:
        assert until_ended(client, job)["status"] == "failed"
    path, headers = f"/api/jobs/{failed[0]}/retry", {"Idempotency-Key": "one", "Prefer": "wait=10"}
    first, second = (client.post(path, headers=headers) for _ in range(2))
    assert first.json()["id"] == second.json()["id"]
    assert second.headers["idempotency-replayed"] == "true"
    bulk, headers = "/api/infographs/bulk/", {"Idempotency-Key": "many"}
    body = {"action": "retry", "ids": [*failed[1:], "unknown"]}
    shown = answers_alike(*(client.post(bulk, json=body, headers=headers) for _ in range(2)))
    assert [each["status"] for each in shown["results"]] == ["pending", "pending", "refused"]
    assert reused(client.post(bulk, json=body | {"ids": failed[1:]}, headers=headers))
    assert reused(client.post("/api/infographs/create", json={"prompt": "x"}, headers=headers))


def test_a_key_many_times_at_once_registers_one_endpoint(
    client: httpx.Client, receiver: Receiver
) -> None:
    body, headers = {"url": f"http://{receiver.host}/d"}, {"Idempotency-Key": "at once"}
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(client.post, HOOKS, json=body, headers=headers) for _ in range(16)]
        answers = {each.result().text for each in asked}
    assert len(answers) == 1
    assert len(client.get(HOOKS).json()["items"]) == 1


def test_forty_endpoints_at_once_are_ten(client: httpx.Client, receiver: Receiver) -> None:
    body = {"url": f"http://{receiver.host}/e"}
    with ThreadPoolExecutor(20) as pool:
        asked = [pool.submit(client.post, HOOKS, json=body) for _ in range(40)]
        statuses = [each.result().status_code for each in asked]
    assert (statuses.count(201), statuses.count(409)) == (10, 30)
    assert len(client.get(HOOKS).json()["items"]) == 10


def test_what_the_provider_says_of_a_cancellation_is_not_for_users(
    keyed: RunningWorld, client: httpx.Client
) -> None:
    keyed.fault("run", "never_ends")
    job = create(client, headers={"Prefer": "wait=10"})
    client.post(f"/api/jobs/{job}/cancel")

    def answered() -> Any:
        items = client.get(f"/api/jobs/{job}/history").json()["items"]
        return next((each for each in items if each["type"] == "CancellationAnswered"), None)

    assert eventually(answered)["body"]["answer"] == {"sealed": True}


def test_a_request_that_may_be_carried_out_says_so_and_is_found_in_our_log(
    keyed: RunningWorld, client: httpx.Client
) -> None:
    """The projector stands still: the job is in the log, and nobody can show it."""
    projector = keyed.service_pid("projector")
    body = {"kind": "infograph", "input": {"prompt": "reefs"}}
    headers = {"Idempotency-Key": "unknown", "Prefer": "respond-async", "X-Request-Id": "mine"}
    os.kill(projector, signal.SIGSTOP)
    try:
        unknown = client.post("/api/jobs", json=body, headers=headers)
    finally:
        os.kill(projector, signal.SIGCONT)
    assert (unknown.status_code, unknown.json()["code"]) == (503, "outcome_unknown")
    assert int(unknown.headers["retry-after"]) > 0
    again = client.post("/api/jobs", json=body, headers=headers)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (201, "true")
    logged = "".join(each.read_text() for each in keyed.path.rglob("*.log"))
    lines = [line for line in logged.splitlines() if "request_failed" in line]
    (line,) = [line for line in lines if "mine" in line]
    for word in ("/api/jobs", "503", "outcome_unknown"):
        assert word in line
