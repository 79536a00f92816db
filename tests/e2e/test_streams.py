"""Streams against real processes: cut, restarted, resumed elsewhere, opened by ticket."""

import json
import os
import signal
import time
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.support.listening import Event, Listener, events_of, read_one
from tests.support.waiting import eventually
from tests.support.worlds import RunningWorld, create, running_world, second_api, until_ended

ENDS = {"completed", "failed", "cancelled"}


def ended(events: list[Event]) -> set[str]:
    return {each.data["id"] for each in events if each.event == "job" and _is_end(each.data)}


def _is_end(job: dict[str, Any]) -> bool:
    return job["status"] in ENDS


def generate(client: httpx.Client, project: str) -> str:
    body = {"projectId": project, "intake": {"product": "a course about reefs"}}
    answer = client.post("/api/generate/auto-generate-all", json=body)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["runId"])


@pytest.mark.usefixtures("client")
def test_cut_after_every_single_frame_at_two_processes_in_turn_nothing_is_missed_or_repeated(
    world: RunningWorld,
) -> None:
    token = world.new_account("cut", 20)
    with second_api(world) as other, world.client(token) as cut:
        last = cut.get("/api/credits").json()["as_of"]
        run = generate(cut, "cut-1")
        seen: list[Event] = []
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            event = read_one((world.url, other)[len(seen) % 2], token, last)
            if event is None:
                break
            last = event.id
            seen.append(event)
        assert len({event.id for event in seen}) == len(seen)
        steps = cut.get(f"/api/runs/{run}").json()["steps"]
        assert {step["job_id"] for step in steps} <= ended(seen)
        newest = [each.data for each in seen if each.event == "run"][-1]
        assert (newest["id"], newest["status"]) == (run, "completed")
        credits_told = [each.data for each in seen if each.event == "credits"][-1]
        assert (credits_told["held"], credits_told["spent"]) == (0, 7)


def test_a_stream_goes_on_across_restarts_of_the_api_and_of_the_projector() -> None:
    with running_world(SIMULATOR_SECONDS="1") as own:
        token = own.new_account("restarts", 20)
        with Listener(own.url, token) as listener, own.client(token) as client:
            jobs = []
            for service in ("services.api", "services.projector", "services.api"):
                jobs.append(create(client))
                os.kill(own.service_pid(service), signal.SIGKILL)
                eventually(lambda: _answers(client))
            eventually(lambda: set(jobs) <= ended(listener.events))
        ids = [event.id for event in listener.events]
        assert len(set(ids)) == len(ids)


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/health/ready").is_success
    except httpx.HTTPError:
        return False


def test_one_jobs_stream_ends_after_its_last_frame_and_is_not_opened_again(
    client: httpx.Client,
) -> None:
    job = create(client)
    with client.stream("GET", f"/api/jobs/{job}/stream") as answer:
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-accel-buffering"] == "no"
        received = list(events_of(answer))
    assert {each.data["id"] for each in received} == {job}
    assert received[-1].data["status"] == "completed"
    whole = client.get(f"/api/jobs/{job}").json()
    assert {**received[-1].data, "as_of": ""} == {**whole, "as_of": ""}
    again = client.get(f"/api/jobs/{job}/stream", headers={"Last-Event-ID": received[-1].id})
    assert again.status_code == 204


@pytest.mark.parametrize("cursor", ["zzz", "0.1.1", "EPOCH.99999999.0", "-1", "a" * 5000])
def test_a_cursor_that_cannot_be_honoured_is_a_resync_and_no_error(
    world: RunningWorld, client: httpx.Client, cursor: str
) -> None:
    epoch = client.get("/api/credits").json()["as_of"].partition(".")[0]
    token = world.world.tokens["user"]
    event = read_one(world.url, token, cursor.replace("EPOCH", epoch))
    assert event is not None
    assert event.event == "resync"
    assert {"jobs", "runs", "credits"} == event.data.keys()
    assert not [job for job in event.data["jobs"] if _is_end(job)]


def test_only_a_resync_says_where_to_go_on_behind_it(client: httpx.Client) -> None:
    """A client that is cut off before it has to get it when it comes again."""
    for path, has_place in (("/api/stream", True), ("/api/stream?after=zzz", False)):
        with client.stream("GET", path) as answer:
            lines = answer.iter_lines()
            start = [next(lines) for _ in range(2)]
        assert start[0] == "retry: 2000"
        assert start[1].startswith("id: ") == has_place


def test_another_accounts_changes_are_not_told(world: RunningWorld, client: httpx.Client) -> None:
    token = world.new_account("alone", 5)
    with Listener(world.url, token) as listener:
        until_ended(client, create(client))
        with world.client(token) as own:
            job = create(own)
            eventually(lambda: job in ended(listener.events))
    assert {each.data["id"] for each in listener.events if each.event == "job"} == {job}
    foreign = httpx.get(
        f"{world.url}/api/jobs/{job}/stream",
        headers={"Authorization": f"Token {world.world.tokens['user']}"},
    )
    assert foreign.status_code == 404


def test_a_second_tab_hears_of_a_deletion_and_of_a_retry(
    world: RunningWorld, client: httpx.Client
) -> None:
    world.fault("content_policy")
    failed = create(client)
    assert until_ended(client, failed)["status"] == "failed"
    done = create(client)
    assert until_ended(client, done)["status"] == "completed"
    etag = client.get(f"/api/jobs/{failed}").headers["etag"]
    with Listener(world.url, world.world.tokens["user"]) as listener:
        assert client.delete(f"/api/infographs/{done}/").status_code == 204
        retry = client.post(f"/api/infographs/{failed}/retry/").json()["id"]
        eventually(lambda: {done} == {e.data["id"] for e in listener.events if e.event == "gone"})
        eventually(
            lambda: (
                (failed, retry)
                in {
                    (e.data["id"], e.data["retried_as"])
                    for e in listener.events
                    if e.event == "job"
                }
            )
        )
    assert client.get(f"/api/jobs/{failed}", headers={"If-None-Match": etag}).status_code == 200


@pytest.mark.usefixtures("client")
def test_a_socket_tells_the_same_and_continues(world: RunningWorld) -> None:
    url = world.url.replace("http:", "ws:") + "/api/ws"
    token = world.new_account("socket", 5)
    headers = {"Authorization": f"Token {token}"}
    with world.client(token) as own:
        after = own.get("/api/credits").json()["as_of"]
        job = until_ended(own, create(own))["id"]
        with connect(f"{url}?after={after}", additional_headers=headers) as socket:
            received = [json.loads(socket.recv(timeout=60)) for _ in range(2)]
        assert {each["event"] for each in received} == {"job", "credits"}
        assert next(each for each in received if each["event"] == "job")["data"]["id"] == job
        ticket = own.post("/api/stream-tickets").json()["ticket"]
        with connect(f"{url}?ticket={ticket}") as socket:
            own.post("/api/characters/c-1/image/", json={"name": "n", "description": "d"})
            received = [json.loads(socket.recv(timeout=60)) for _ in range(2)]
        assert "character_image" in {each["data"].get("kind") for each in received}
    with pytest.raises(InvalidStatus):
        connect(f"{url}?ticket=unknown")


def test_open_streams_do_not_keep_a_world_from_stopping() -> None:
    with running_world() as own, Listener(own.url, own.world.tokens["user"]):
        began_at = time.monotonic()
        own.stop()
        assert time.monotonic() - began_at < 20


def test_a_status_can_be_waited_for(client: httpx.Client) -> None:
    job = create(client)
    first = client.get(f"/api/infographs/status/{job}/")
    etag = first.headers["etag"]
    news = client.get(f"/api/infographs/status/{job}/?wait=10", headers={"If-None-Match": etag})
    assert news.status_code == 200
    assert news.headers["etag"] != etag
    whole = client.get(f"/api/jobs/{job}?wait=20")
    assert whole.json()["status"] == "completed"
    same = {"If-None-Match": client.get(f"/api/jobs/{job}").headers["etag"]}
    assert client.get(f"/api/jobs/{job}?wait=0.2", headers=same).status_code == 304
    assert client.get(f"/api/jobs/{job}?wait=31").status_code == 422
