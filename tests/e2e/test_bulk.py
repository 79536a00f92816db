"""Many infographs at once: one bad id does not stop the others."""

import hashlib
import io
import json
import zipfile
from typing import Any

import httpx

from tests.support.examples import a_job_id
from tests.support.worlds import RunningWorld, create, until_ended


def act(client: httpx.Client, action: str, *ids: str, **headers: str) -> httpx.Response:
    body = {"action": action, "ids": list(ids)}
    return client.post("/api/infographs/bulk/", json=body, headers=headers)


def results(answer: httpx.Response) -> dict[str, dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    return {each["id"]: each for each in answer.json()["results"]}


def test_each_id_is_answered_for_itself(world: RunningWorld, client: httpx.Client) -> None:
    done = until_ended(client, create(client))["id"]
    world.fault("never_ends")
    open_one = create(client)
    unknown = a_job_id()
    found = results(act(client, "delete", done, open_one, unknown, "nonsense"))
    assert found[done]["status"] == "deleted"
    assert found[open_one]["code"] == "job_open"
    assert found[unknown]["code"] == found["nonsense"]["code"] == "not_found"
    assert client.get(f"/api/jobs/{done}").status_code == 404
    assert results(act(client, "cancel", open_one))[open_one]["status"] == "cancelled"
    again = results(act(client, "retry", open_one))[open_one]
    assert until_ended(client, again["retried_as"])["status"] == "completed"


def test_a_retry_of_many_under_one_key_is_done_once(
    world: RunningWorld, client: httpx.Client
) -> None:
    jobs = []
    for _ in range(2):
        world.fault("result_500")
        jobs.append(until_ended(client, create(client))["id"])
    first = results(act(client, "retry", *jobs, **{"Idempotency-Key": "many"}))
    again = results(act(client, "retry", *jobs, **{"Idempotency-Key": "many"}))
    assert first == again
    assert len({each["retried_as"] for each in first.values()}) == 2


def test_a_download_is_a_zip_of_what_there_is(client: httpx.Client) -> None:
    jobs = [until_ended(client, create(client, f"zip {number}")) for number in range(3)]
    with client.stream(
        "POST",
        "/api/infographs/bulk/",
        json={"action": "download", "ids": [*(job["id"] for job in jobs), a_job_id()]},
    ) as answer:
        assert answer.headers["content-type"] == "application/zip"
        assert "content-length" not in answer.headers, "it is streamed"
        body = b"".join(answer.iter_bytes())
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert archive.testzip() is None
        for job in jobs:
            picture = archive.read(f"{job['id']}.png")
            artifact = job["artifacts"][0]
            assert len(picture) == artifact["bytes"]
            assert hashlib.sha256(picture).hexdigest() == artifact["sha256"]
        results = json.loads(archive.read("results.json"))["results"]
    assert [each["status"] for each in results] == ["included"] * 3 + ["refused"]


def test_a_download_of_nothing_is_a_404_that_says_why(client: httpx.Client) -> None:
    answer = act(client, "download", a_job_id())
    assert answer.status_code == 404
    assert answer.json()["results"][0]["code"] == "not_found"


def test_too_many_ids_or_an_unknown_action_is_a_422(client: httpx.Client) -> None:
    assert act(client, "delete", *("x" * n for n in range(1, 102))).status_code == 422
    assert act(client, "paint", "x").status_code == 422
    assert act(client, "delete").status_code == 422


def test_another_accounts_ids_are_not_there(world: RunningWorld, client: httpx.Client) -> None:
    job = until_ended(client, create(client))["id"]
    with world.client(world.new_account("bulk-other", 1)) as other:
        assert results(act(other, "delete", job))[job]["code"] == "not_found"
    assert client.get(f"/api/jobs/{job}").status_code == 200
