"""A product's endpoint hears of all accounts that belong to it, in payloads of one shape."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from application.notifications import Notification
from domain.endpoints import ALL_TYPES
from tests.e2e.test_notifications import of, verified
from tests.e2e.test_services import issue, service
from tests.support.payloads import read_strictly
from tests.support.receiver import Received, Receiver
from tests.support.waiting import eventually
from tests.support.worlds import RunningWorld, create, until_ended

HOOKS = "/api/webhook-endpoints"


@pytest.fixture
def operator(world: RunningWorld) -> Iterator[httpx.Client]:
    with world.client(world.world.tokens["operator"]) as opened:
        yield opened


@pytest.fixture
def product(
    world: RunningWorld, operator: httpx.Client, receiver: Receiver
) -> Iterator[httpx.Client]:
    """The back end of a product."""
    with service(world, operator, "shop") as opened:
        yield opened
        for each in opened.get(HOOKS).json()["items"]:
            opened.delete(f"{HOOKS}/{each['id']}")
    receiver.received.clear()


def user_of(world: RunningWorld, product: httpx.Client, account: str) -> httpx.Client:
    """Sign up a user of the product, with credits."""
    body = {"amount": 50, "reason": "welcome"}
    product.post(f"/api/operator/accounts/{account}/grant", json=body).raise_for_status()
    return world.client(issue(product, account).json()["token"])


def register(client: httpx.Client, receiver: Receiver, **more: Any) -> dict[str, Any]:
    answer = client.post(HOOKS, json={"url": f"http://{receiver.host}/hooks", **more})
    assert answer.status_code == 201, answer.text
    endpoint: dict[str, Any] = answer.json()
    return endpoint


def test_a_products_endpoint_hears_of_all_its_users_and_of_nobody_elses(
    world: RunningWorld, client: httpx.Client, product: httpx.Client, receiver: Receiver
) -> None:
    endpoint = register(product, receiver)
    with user_of(world, product, "ann") as ann, user_of(world, product, "ben") as ben:
        others = until_ended(client, create(client))["id"]
        jobs = {account: create(user) for account, user in (("ann", ann), ("ben", ben))}
        for account, job in jobs.items():
            document = verified(_first_of(receiver, job), endpoint["secret"])
            assert (document["data"]["id"], document["data"]["account"]) == (job, account)
    assert not of(receiver, others)
    found = product.get(f"{HOOKS}/{endpoint['id']}/deliveries").json()["items"]
    assert {each["object_id"]: each["account"] for each in found} == {
        job: account for account, job in jobs.items()
    }


def _first_of(receiver: Receiver, object_id: str) -> Received:
    found: list[Received] = eventually(lambda: of(receiver, object_id))
    return found[0]


def test_a_users_own_endpoint_and_its_products_both_hear(
    world: RunningWorld, product: httpx.Client, receiver: Receiver
) -> None:
    of_product = register(product, receiver)
    with user_of(world, product, "cleo") as cleo:
        own = register(cleo, receiver)
        job = until_ended(cleo, create(cleo))["id"]
        eventually(lambda: len(of(receiver, job)) == 2)
        ids = {each.headers["webhook-id"] for each in of(receiver, job)}
        assert ids == {f"msg_{each['id']}.{job}" for each in (of_product, own)}
        assert [each["id"] for each in cleo.get(HOOKS).json()["items"]] == [own["id"]]
        assert cleo.get(f"{HOOKS}/{of_product['id']}/deliveries").status_code == 404


def test_a_service_does_all_with_its_endpoints_and_reads_nothing_else(
    world: RunningWorld, operator: httpx.Client, product: httpx.Client, receiver: Receiver
) -> None:
    path = f"{HOOKS}/{register(product, receiver)['id']}"
    with user_of(world, product, "dora") as dora:
        job = until_ended(dora, create(dora))["id"]
    (sent,) = eventually(lambda: _sent(product, path))
    assert product.post(f"{path}/deliveries/{sent['id']}/resend").status_code == 202
    eventually(lambda: len(of(receiver, job)) == 2)
    assert product.post(f"{path}/rotate").json()["secret"].startswith("whsec_")
    assert product.patch(path, json={"enabled": False}).json()["enabled"] is False
    with service(world, operator, "rival") as rival:
        assert rival.get(HOOKS).json()["items"] == []
        assert rival.get(f"{path}/deliveries").status_code == 404
        assert rival.delete(path).status_code == 404
    assert product.get(f"/api/jobs/{job}").status_code == 403
    assert product.delete(path).status_code == 204
    assert product.get(HOOKS).json()["items"] == []


def _sent(client: httpx.Client, path: str) -> list[dict[str, Any]]:
    items = client.get(f"{path}/deliveries").json()["items"]
    return [each for each in items if each["status"] == "sent"]


@pytest.mark.usefixtures("client")
def test_every_type_is_delivered_as_its_struct_and_the_guide_have_it(
    world: RunningWorld, product: httpx.Client, receiver: Receiver
) -> None:
    register(product, receiver)
    with user_of(world, product, "eve") as eve:
        completed = until_ended(eve, create(eve))["id"]
        _hear(receiver, "job.completed", completed)
        world.fault("content_policy")
        _hear(receiver, "job.failed", until_ended(eve, create(eve))["id"])
        _hear(receiver, "run.completed", _run(eve))
        world.fault("content_policy")
        _hear(receiver, "run.failed", _run(eve))
        with slow_simulator(world):
            run, job = _run(eve), create(eve)
            assert eve.post(f"/api/runs/{run}/cancel").is_success
            assert eve.post(f"/api/jobs/{job}/cancel").is_success
        _hear(receiver, "run.cancelled", run)
        _hear(receiver, "job.cancelled", job)
    types = {read_strictly(each.body).type for each in receiver.received}
    assert types == set(ALL_TYPES)
    text = json.dumps([each.body.decode() for each in receiver.received])
    assert "coral reefs" not in text
    assert "a secret offer" not in text


def _run(client: httpx.Client) -> str:
    body = {"projectId": "p", "intake": {"offer": "a secret offer"}}
    answer = client.post("/api/generate/auto-generate-all", json=body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["runId"])


def _hear(receiver: Receiver, name: str, object_id: str) -> None:
    """Wait for the notification of this type about this job or run."""

    def about() -> list[Notification]:
        read = [read_strictly(each.body) for each in of(receiver, object_id)]
        return [each for each in read if (each.type, each.data.id) == (name, object_id)]

    assert eventually(about)[0].data.account == "eve"


@contextmanager
def slow_simulator(world: RunningWorld) -> Iterator[None]:
    """Give a test the time to cancel."""
    world.simulator("POST", "seconds", 5)
    try:
        yield
    finally:
        world.simulator("POST", "seconds", float(world.environment["SIMULATOR_SECONDS"]))


def test_a_refused_address_names_the_setting_that_would_allow_it(product: httpx.Client) -> None:
    for url in ("http://127.0.0.1:1/hooks", "https://127.0.0.1:1/hooks", "https://localhost:1/x"):
        answer = product.post(HOOKS, json={"url": url})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "url")
        host = url.split("/")[2]
        assert f"set WEBHOOK_HOSTS_ALLOWED={host}" in answer.json()["errors"][0]["message"]
