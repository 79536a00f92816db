"""Requests for work: answered once, in full, and never on stale data."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.support.waiting import eventually
from tests.support.worlds import RunningWorld, create, second_api, until_ended


def test_several_infographs_are_one_request(client: httpx.Client) -> None:
    answer = client.post(
        "/api/infographs/create", json={"prompt": "reefs", "number_of_infographs": 4}
    )
    assert answer.status_code == 201
    document = answer.json()
    assert (document["total_submitted"], document["credits_used"]) == (4, 4)
    assert len({item["id"] for item in document["infographs"]}) == 4
    assert "location" not in answer.headers
    for item in document["infographs"]:
        assert until_ended(client, item["id"])["status"] == "completed"


def test_respond_async_does_not_wait_for_the_provider(client: httpx.Client) -> None:
    answer = client.post(
        "/infographs/create/", json={"prompt": "reefs"}, headers={"Prefer": "respond-async"}
    )
    assert answer.headers["preference-applied"] == "respond-async"
    assert answer.json()["infographs"][0] | {"id": "", "status_url": ""} == {
        "id": "",
        "request_id": None,
        "status": "pending",
        "status_url": "",
    }


def test_too_few_credits_for_all_reserve_nothing(world: RunningWorld) -> None:
    token = world.new_account("poor", 3)
    with world.client(token) as client:
        answer = client.post(
            "/api/infographs/create/", json={"prompt": "reefs", "number_of_infographs": 4}
        )
        assert answer.status_code == 402
        problem = answer.json()
        assert problem["code"] == "insufficient_credits"
        assert (problem["needed"], problem["available"]) == (4, 3)
        assert client.get("/api/credits").json()["held"] == 0
        assert client.get("/api/infographs/list/").json() == []
    events = world.cli("events", "list", "--account", "poor")
    types = [event["type"] for event in events]
    assert types == ["AccountOpened", "CreditsGranted", "AccessTokenIssued"]


def test_a_requests_id_and_trace_are_found_in_the_log(
    world: RunningWorld, client: httpx.Client
) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"X-Request-Id": "my-request", "traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    job = create(client, headers=headers)
    events = world.cli("events", "list", "--job", job)
    assert events[0]["correlation_id"] == "my-request"


def test_the_same_key_is_the_same_request(client: httpx.Client) -> None:
    def ask(prompt: str) -> httpx.Response:
        headers = {"Idempotency-Key": "k-1", "Prefer": "wait=10"}
        return client.post("/api/infographs/create/", json={"prompt": prompt}, headers=headers)

    first, second, other = ask("reefs"), ask("reefs"), ask("something else")
    assert first.json() == second.json()
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert other.status_code == 422
    assert other.json()["code"] == "idempotency_key_reused"


def test_a_refused_request_may_be_sent_again_with_its_key(world: RunningWorld) -> None:
    token = world.new_account("later", 0 + 1)
    body = {"prompt": "reefs", "number_of_infographs": 2}
    headers = {"Idempotency-Key": "k"}
    with world.client(token) as client:
        refused = client.post("/api/infographs/create/", json=body, headers=headers)
        assert refused.status_code == 402
        world.cli("credits", "grant", "--account", "later", "--amount", "5", "--reason", "more")
        accepted = client.post("/api/infographs/create/", json=body, headers=headers)
        assert accepted.status_code == 201


def test_many_at_once_get_exactly_what_there_is(world: RunningWorld) -> None:
    token = world.new_account("crowd", 10)
    headers = {"Authorization": f"Token {token}", "Prefer": "respond-async"}

    async def storm(urls: list[str]) -> list[int]:
        async with httpx.AsyncClient(headers=headers, timeout=60.0) as client:
            answers = await asyncio.gather(
                *(
                    client.post(f"{urls[n % 2]}/api/infographs/create/", json={"prompt": f"n{n}"})
                    for n in range(200)
                )
            )
        return [answer.status_code for answer in answers]

    with second_api(world) as other:
        statuses = asyncio.run(storm([world.url, other]))
    assert statuses.count(201) == 10
    assert statuses.count(402) == 190
    balance = world.cli("credits", "show", "--account", "crowd")
    assert balance["available"] == 0


def test_one_key_many_times_at_once_is_one_job(world: RunningWorld, client: httpx.Client) -> None:
    def ask(_: int) -> str:
        return create(client, headers={"Idempotency-Key": "crowd", "Prefer": "respond-async"})

    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(ask, range(24)))
    assert len(ids) == 1
    assert len(world.cli("events", "list", "--job", ids.pop(), "--type", "JobRequested")) > 0


def test_a_status_asked_for_right_after_a_create_is_never_missing(
    world: RunningWorld, client: httpx.Client
) -> None:
    token = world.world.tokens["user"]
    with second_api(world) as url:
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=url, headers=headers, timeout=20.0) as other:
            for _ in range(20):
                job = create(client, headers={"Prefer": "respond-async"})
                assert client.get(f"/api/infographs/status/{job}").status_code == 200
                assert other.get(f"/api/infographs/status/{job}/").status_code == 200


def test_a_read_is_as_new_as_it_is_asked_to_be(world: RunningWorld, client: httpx.Client) -> None:
    answer = client.post("/api/infographs/create/", json={"prompt": "reefs"})
    cursor = answer.headers["darkroom-as-of"]
    assert cursor == answer.json()["as_of"]
    with second_api(world) as url:
        headers = {"Authorization": f"Token {world.world.tokens['user']}"}
        listed = httpx.get(
            f"{url}/api/infographs/list/", params={"min_as_of": cursor}, headers=headers
        )
    assert answer.json()["infographs"][0]["id"] in {item["id"] for item in listed.json()}
    epoch = cursor.partition(".")[0]
    ahead = client.get("/api/credits", params={"min_as_of": f"{epoch}.999999999.0"})
    assert ahead.status_code == 503
    assert client.get("/api/credits", params={"min_as_of": "x"}).status_code == 422
    assert client.get("/api/credits", params={"min_as_of": "zzzz.1.0"}).status_code == 422


def test_an_unchanged_status_costs_a_304(client: httpx.Client) -> None:
    job = create(client)
    until_ended(client, job)
    first = client.get(f"/api/infographs/status/{job}/")
    same = client.get(
        f"/api/infographs/status/{job}/", headers={"If-None-Match": first.headers["etag"]}
    )
    assert first.headers["etag"].startswith('W/"')
    assert (same.status_code, same.content) == (304, b"")


def test_lists_show_what_was_asked_for_and_page_by_link(client: httpx.Client) -> None:
    ids = [create(client, f"list {n}", headers={"Prefer": "respond-async"}) for n in range(3)]
    page = client.get("/api/infographs/list/?limit=2")
    assert [item["id"] for item in page.json()] == [ids[2], ids[1]]
    assert page.json()[0]["prompt"] == "list 2"
    following = client.get(page.links["next"]["url"]).json()
    assert following[0]["id"] == ids[0]
    for job in ids:
        until_ended(client, job)
    done = client.get("/api/jobs", params={"status": "COMPLETED", "kind": "infograph"}).json()
    assert {job["status"] for job in done["items"]} == {"completed"}


def test_an_open_job_is_cancelled_once_and_its_credit_comes_back(
    world: RunningWorld, client: httpx.Client
) -> None:
    world.fault("never_ends")
    before = client.get("/api/credits").json()["available"]
    job = create(client)
    cancelled = client.post(f"/api/infographs/{job}/cancel/")
    assert cancelled.status_code == 200
    assert (cancelled.json()["status"], cancelled.json()["error_code"]) == ("failed", "cancelled")
    assert client.get(f"/api/jobs/{job}").json()["status"] == "cancelled"
    assert client.get("/api/credits").json()["available"] == before
    assert client.post(f"/api/jobs/{job}/cancel").status_code == 200

    def answered() -> bool:
        items = client.get(f"/api/jobs/{job}/history").json()["items"]
        return "CancellationAnswered" in {event["type"] for event in items}

    eventually(answered)


def test_an_ended_job_cannot_be_cancelled(client: httpx.Client) -> None:
    job = create(client)
    until_ended(client, job)
    refused = client.post(f"/api/infographs/{job}/cancel")
    assert (refused.status_code, refused.json()["code"]) == (409, "job_ended")


def test_an_open_job_cannot_be_deleted(world: RunningWorld, client: httpx.Client) -> None:
    world.fault("never_ends")
    job = create(client)
    refused = client.delete(f"/api/infographs/{job}/")
    assert (refused.status_code, refused.json()["code"]) == (409, "job_open")
    assert client.post(f"/api/jobs/{job}/cancel").status_code == 200


def test_a_deleted_job_is_gone_with_its_artifacts_and_its_entries_stay(
    client: httpx.Client,
) -> None:
    job = create(client)
    url = until_ended(client, job)["artifacts"][0]["url"]
    assert httpx.get(url).status_code == 200
    assert client.delete(f"/api/infographs/{job}/").status_code == 204
    assert client.get(f"/api/infographs/status/{job}/").status_code == 404
    assert httpx.get(url).status_code == 404
    entries = client.get("/api/credits/entries", params={"limit": 100}).json()["items"]
    assert {entry["move"] for entry in entries if entry["job_id"] == job} == {"reserved", "charged"}


def test_a_failed_job_is_retried_once_as_a_new_one(
    world: RunningWorld, client: httpx.Client
) -> None:
    world.fault("result_500")
    failed = create(client, "reefs", aspect_ratio="16:9")
    until_ended(client, failed)
    retried = client.post(f"/api/infographs/{failed}/retry/")
    assert retried.status_code == 201, retried.text
    new = retried.json()
    assert (new["retry_of"], new["aspect_ratio"], new["prompt"]) == (failed, "16:9", "reefs")
    second = client.post(f"/api/jobs/{failed}/retry")
    assert (second.status_code, second.json()["code"]) == (409, "already_retried")
    assert second.json()["retried_as"] == new["id"]
    assert until_ended(client, new["id"])["status"] == "completed"
    assert client.post(f"/api/jobs/{failed}/retry").status_code == 409
    assert client.get(f"/api/jobs/{failed}").json()["retried_as"] == new["id"]
    types = [e["type"] for e in client.get(f"/api/jobs/{failed}/history").json()["items"]]
    assert types[-1] == "JobRequested"
    refused = client.post(f"/api/jobs/{new['id']}/retry")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_failed")


def test_a_retry_that_failed_can_be_retried_again(
    world: RunningWorld, client: httpx.Client
) -> None:
    world.fault("result_500", times=2)
    failed = create(client)
    until_ended(client, failed)
    first = client.post(f"/api/jobs/{failed}/retry").json()["id"]
    assert until_ended(client, first)["status"] == "failed"
    second = client.post(f"/api/jobs/{failed}/retry")
    assert second.status_code == 201
    assert until_ended(client, second.json()["id"])["status"] == "completed"


def test_a_blog_that_cannot_be_read_fails_the_job_before_the_provider_is_asked(
    world: RunningWorld, client: httpx.Client
) -> None:
    before = client.get("/api/credits").json()["available"]
    for url in ("http://169.254.169.254/latest/meta-data", "http://127.0.0.1:1/x"):
        job = create(client, blog_url=url)
        document = until_ended(client, job)
        assert document["status"] == "failed"
        assert document["error"]["code"] == "blog_unreadable"
        assert world.simulator("GET", "posts").get(job) is None
    assert client.get("/api/credits").json()["available"] == before


def test_the_kinds_of_job_tell_their_schema_and_price(client: httpx.Client) -> None:
    kinds = {each["kind"]: each for each in client.get("/api/job-kinds").json()["items"]}
    assert kinds.keys() == {"infograph", "character_image", "funnel_step"}
    assert {each["price"] for each in kinds.values()} == {1}
    assert "prompt" in str(kinds["infograph"]["input_schema"])
    created = client.post("/api/jobs", json={"kind": "infograph", "input": {"prompt": "reefs"}})
    assert created.status_code == 201
    assert created.json()["kind"] == "infograph"
    assert created.headers["location"].endswith(created.json()["id"])


@pytest.mark.parametrize("path", ["/api/openapi.json", "/health/live", "/health/ready"])
def test_what_needs_no_token(world: RunningWorld, path: str) -> None:
    assert httpx.get(f"{world.url}{path}").status_code == 200


def test_metrics_are_for_operators(world: RunningWorld, client: httpx.Client) -> None:
    assert client.get("/metrics").status_code == 403
    with world.client(world.world.tokens["operator"]) as operator:
        assert "darkroom_http_answers_total" in operator.get("/metrics").text
