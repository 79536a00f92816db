"""A product's back end acts for the accounts that it made, and for no other."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.support.worlds import RunningWorld, create

TOKENS = "/api/operator/tokens"


@pytest.fixture
def operator(world: RunningWorld) -> Iterator[httpx.Client]:
    with world.client(world.world.tokens["operator"]) as opened:
        yield opened


def service(world: RunningWorld, operator: httpx.Client, account: str) -> httpx.Client:
    return world.client(issue(operator, account, "service").json()["token"])


def issue(client: httpx.Client, account: str, role: str = "user") -> httpx.Response:
    return client.post(TOKENS, json={"account": account, "role": role})


def grant(client: httpx.Client, account: str) -> httpx.Response:
    body = {"amount": 1, "reason": "r"}
    return client.post(f"/api/operator/accounts/{account}/grant", json=body)


@pytest.mark.parametrize("first", [issue, grant])
def test_what_a_service_makes_belongs_to_its_account_whichever_token_asks(
    world: RunningWorld, operator: httpx.Client, first: object
) -> None:
    mine = "by-token" if first is issue else "by-grant"
    with (
        service(world, operator, "product-a") as one,
        service(world, operator, "product-a") as another,
        service(world, operator, "product-b") as stranger,
    ):
        assert (issue if first is issue else grant)(one, mine).is_success
        assert issue(another, mine).status_code == 201
        assert grant(another, mine).status_code == 200
        assert issue(operator, mine).status_code == 201
        for answer in (issue(stranger, mine), grant(stranger, mine)):
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize("account", ["demo", "operators", "product-c"])
def test_an_account_that_exists_already_is_nobody_elses(
    world: RunningWorld, operator: httpx.Client, account: str
) -> None:
    with service(world, operator, "product-c") as back_end:
        for answer in (issue(back_end, account), grant(back_end, account)):
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_a_service_revokes_tokens_of_its_own_users_only(
    world: RunningWorld, operator: httpx.Client
) -> None:
    with (
        service(world, operator, "product-d") as back_end,
        service(world, operator, "product-e") as stranger,
    ):
        user = issue(back_end, "user-of-d").json()
        of_demo = issue(operator, "demo").json()
        assert stranger.delete(f"{TOKENS}/{user['id']}").status_code == 404
        assert back_end.delete(f"{TOKENS}/{of_demo['id']}").status_code == 404
        for token in (user, of_demo):
            with world.client(token["token"]) as client:
                assert client.get("/api/credits").status_code == 200
        for _ in range(2):
            assert back_end.delete(f"{TOKENS}/{user['id']}").status_code == 204
        revoked = world.cli(
            "events", "list", "--account", "user-of-d", "--type", "AccessTokenRevoked"
        )
        assert revoked["body"]["token_id"] == user["id"], "once"
        operator.delete(f"{TOKENS}/{of_demo['id']}")


def test_a_service_reads_nothing_of_an_account_by_any_detour(
    world: RunningWorld, operator: httpx.Client
) -> None:
    with service(world, operator, "product-f") as back_end:
        token = issue(back_end, "user-of-f").json()["token"]
        grant(back_end, "user-of-f")
        with world.client(token) as user:
            job = create(user)
        paths = (f"/api/jobs/{job}", f"/api/jobs/{job}/history", f"/api/jobs/{job}/logs")
        for path in (*paths, f"/api/jobs/{job}/stream", "/api/stream"):
            assert back_end.get(path).status_code == 403, path
        assert back_end.post("/api/stream-tickets").status_code == 403
        assert back_end.get(TOKENS).status_code == 403
        assert back_end.get("/api/credits").json()["granted"] == 0
        with world.client(token) as user:
            url = {"url": "https://1.1.1.1/hooks"}
            endpoint = user.post("/api/webhook-endpoints", json=url).json()["id"]
            assert back_end.get("/api/webhook-endpoints").json()["items"] == []
            path = f"/api/webhook-endpoints/{endpoint}"
            assert back_end.get(f"{path}/deliveries").status_code == 404
            assert back_end.post(f"{path}/rotate").status_code == 404
            assert user.delete(path).status_code == 204


def test_of_two_services_at_once_one_gets_a_new_account(
    world: RunningWorld, operator: httpx.Client
) -> None:
    with (
        service(world, operator, "product-g") as one,
        service(world, operator, "product-h") as another,
        ThreadPoolExecutor(8) as pool,
    ):
        for number in range(5):
            asked = {
                client: [pool.submit(issue, client, f"contested-{number}") for _ in range(4)]
                for client in (one, another)
            }
            statuses = {
                frozenset(each.result().status_code for each in answers)
                for answers in asked.values()
            }
            assert statuses == {frozenset({201}), frozenset({403})}


def test_a_service_gets_no_answer_that_an_operator_of_its_account_got(
    world: RunningWorld, operator: httpx.Client
) -> None:
    body = {"account": "of-nobody", "role": "user"}
    headers = {"Idempotency-Key": "first"}
    token = issue(operator, "product-o", "operator").json()["token"]
    with world.client(token) as owner, service(world, operator, "product-o") as back_end:
        assert owner.post(TOKENS, json=body, headers=headers).status_code == 201
        answer = back_end.post(TOKENS, json=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert "token" not in answer.json()
