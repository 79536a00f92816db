"""Tokens over HTTP: operators may all, a product's back end may sign up its users."""

import httpx
import pytest

from tests.support.waiting import eventually
from tests.support.worlds import RunningWorld, create, until_ended


def issue(client: httpx.Client, account: str, role: str = "user") -> httpx.Response:
    return client.post("/api/operator/tokens", json={"account": account, "role": role})


def operator(world: RunningWorld) -> httpx.Client:
    return world.client(world.world.tokens["operator"])


def service(world: RunningWorld) -> httpx.Client:
    with operator(world) as client:
        return world.client(issue(client, "back-end", "service").json()["token"])


def test_a_back_end_signs_up_a_user_who_can_work_at_once(world: RunningWorld) -> None:
    with service(world) as back_end:
        issued = issue(back_end, "signed-up")
        assert issued.status_code == 201
        assert issued.json().keys() >= {"id", "token", "account", "role"}
        path = "/api/operator/accounts/signed-up/grant"
        headers = {"Idempotency-Key": "welcome"}
        for _ in range(2):
            answer = back_end.post(path, json={"amount": 3, "reason": "welcome"}, headers=headers)
            assert (answer.status_code, answer.json()["available"]) == (200, 3)
    with world.client(issued.json()["token"]) as user:
        assert until_ended(user, create(user))["status"] == "completed"


def test_a_back_end_reads_no_prompts_and_issues_no_power(
    world: RunningWorld, client: httpx.Client
) -> None:
    job = create(client)
    with service(world) as back_end:
        for path in (f"/api/jobs/{job}", "/api/jobs", "/api/infographs/list/", "/api/stream"):
            assert back_end.get(path).status_code == 403, path
        assert back_end.post("/api/jobs", json={"kind": "x", "input": {}}).status_code == 403
        assert issue(back_end, "x", "operator").status_code == 403
        assert issue(back_end, "x", "service").status_code == 403
        assert back_end.get("/api/operator/tokens").status_code == 403
        assert back_end.get("/api/credits").status_code == 200


def test_a_user_issues_nothing(client: httpx.Client) -> None:
    assert issue(client, "demo").status_code == 403
    path = "/api/operator/accounts/demo/grant"
    assert client.post(path, json={"amount": 5, "reason": "me"}).status_code == 403


def _listed(client: httpx.Client, account: str) -> list[dict[str, object]]:
    """The account's tokens by the read model, which follows the log."""
    answer = client.get("/api/operator/tokens", params={"account": account})
    items: list[dict[str, object]] = answer.json()["items"]
    return items


def test_what_an_operator_changes_is_an_event_and_a_secret_is_shown_once(
    world: RunningWorld,
) -> None:
    with operator(world) as client:
        issued = issue(client, "listed").json()
        listed = eventually(lambda: _listed(client, "listed"))
        assert issued["token"] not in str(listed)
        assert [each["id"] for each in listed] == [issued["id"]]
    acted = world.cli("events", "list", "--type", "OperatorActed", "--limit", "10000")
    assert issued["id"] in {each["body"]["after"].get("token_id") for each in acted}


def test_a_revoked_token_is_refused(world: RunningWorld, client: httpx.Client) -> None:
    with operator(world) as back:
        issued = issue(back, "revoked").json()
        with world.client(issued["token"]) as user:
            assert user.get("/api/credits").status_code == 200
            assert back.delete(f"/api/operator/tokens/{issued['id']}").status_code == 204
            eventually(lambda: user.get("/api/credits").status_code == 401)
        assert back.delete(f"/api/operator/tokens/{issued['id']}").status_code == 204
        assert back.delete("/api/operator/tokens/unknown").status_code == 404
    assert client.get("/api/credits").status_code == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"account": "a.b"}, "account"),
        ({"account": "a", "role": "king"}, "role"),
        ({"role": "user"}, "account"),
    ],
)
def test_a_wrong_request_names_its_field(
    world: RunningWorld, body: dict[str, str], field: str
) -> None:
    with operator(world) as client:
        answer = client.post("/api/operator/tokens", json=body)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


@pytest.mark.parametrize("amount", [0, -1, 10**12, "5"])
def test_a_wrong_amount_is_a_422(world: RunningWorld, amount: object) -> None:
    with operator(world) as client:
        body = {"amount": amount, "reason": "r"}
        assert client.post("/api/operator/accounts/a/grant", json=body).status_code == 422


def test_another_accounts_job_is_not_there(world: RunningWorld, client: httpx.Client) -> None:
    job = create(client)
    with world.client(world.new_account("stranger", 1)) as stranger:
        for method, path in (
            ("GET", f"/api/infographs/status/{job}/"),
            ("GET", f"/api/jobs/{job}"),
            ("GET", f"/api/jobs/{job}/history"),
            ("POST", f"/api/jobs/{job}/cancel"),
            ("POST", f"/api/infographs/{job}/cancel/"),
            ("DELETE", f"/api/infographs/{job}/"),
        ):
            answer = stranger.request(method, path)
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
