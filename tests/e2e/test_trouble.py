"""Trouble at the provider: what was posted once is found again, and jobs wait until it is over."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.waiting import eventually
from tests.support.worlds import RunningWorld, create, running_world, until_ended


@pytest.fixture(scope="module")
def troubled() -> Iterator[RunningWorld]:
    """A world whose provider is asked soon."""
    with running_world(
        RECONCILE_AFTER_SECONDS="2",
        RECONCILE_EVERY_SECONDS="1",
        SUBMIT_UNKNOWN_SECONDS="9",
        SUBMIT_BACKOFF_SECONDS_MAX="1",
    ) as running:
        yield running


@pytest.fixture
def client(troubled: RunningWorld) -> Iterator[httpx.Client]:
    troubled.simulator("DELETE", "failures")
    with troubled.client() as opened:
        yield opened
    troubled.simulator("DELETE", "failures")


def events_of(client: httpx.Client, job: str, kind: str) -> list[dict[str, Any]]:
    items = client.get(f"/api/jobs/{job}/history").json()["items"]
    return [event["body"] for event in items if event["type"] == kind]


def test_a_lost_reply_without_a_webhook_is_found_in_the_providers_listing(
    troubled: RunningWorld, client: httpx.Client
) -> None:
    troubled.fault("lost_reply")
    troubled.fault("no_webhook")
    job = create(client, "found again")
    assert until_ended(client, job)["status"] == "completed"
    assert [each["learnt_from"] for each in events_of(client, job, "JobSubmitted")] == ["listing"]
    assert troubled.simulator("GET", "posts")[job] == 1


def test_what_two_lost_replies_leave_in_doubt_is_settled_by_time_and_charged_once_each(
    troubled: RunningWorld, client: httpx.Client
) -> None:
    """Both sent the same, one of them was never taken: nobody can tell which."""
    before = client.get("/api/credits").json()["available"]
    for mode in ("lost_reply", "lost_post"):
        troubled.fault(mode)
        troubled.fault("no_webhook")
    jobs = [create(client, "the very same") for _ in range(2)]
    assert {until_ended(client, job)["status"] for job in jobs} == {"completed"}
    assert client.get("/api/credits").json()["available"] == before - 2
    posts = troubled.simulator("GET", "posts")
    for job in jobs:
        assert posts[job] == len(events_of(client, job, "SubmissionStarted")) <= 3


@pytest.mark.parametrize("mode", ["post_403", "post_503"])
def test_a_provider_in_trouble_fails_nobody_and_alarms_the_operator(
    troubled: RunningWorld, client: httpx.Client, mode: str
) -> None:
    troubled.fault(mode, times=1000)  # Until the end, however long that takes.
    jobs = [create(client, f"waits {number}") for number in range(3)]

    def alarm() -> list[str]:
        found = troubled.cli("doctor", check=False)
        return [row["advice"] for row in found if row["what"] == "dispatcher" and row["advice"]]

    assert client.get("/api/credits").json()["held"] == 3
    shown = client.get(f"/api/infographs/status/{jobs[0]}/")
    assert (shown.json()["status"], "balance" in shown.text) == ("pending", False)
    words = "Exhausted balance" if mode == "post_403" else "nginx"
    assert words in eventually(alarm)[0]
    troubled.simulator("DELETE", "failures")
    assert {until_ended(client, job)["status"] for job in jobs} == {"completed"}
    eventually(lambda: not alarm())


def test_what_the_provider_says_after_a_cancel_is_kept_and_costs_nobody(
    troubled: RunningWorld, client: httpx.Client
) -> None:
    before = client.get("/api/credits").json()["available"]
    troubled.fault("deaf")
    job = create(client)
    assert client.post(f"/api/jobs/{job}/cancel").json()["status"] == "cancelled"
    eventually(lambda: events_of(client, job, "ResultReceived"))
    assert events_of(client, job, "ResultReceived")[0]["verdict"] == "ok"
    document = client.get(f"/api/jobs/{job}").json()
    assert (document["status"], document["artifacts"]) == ("cancelled", [])
    assert client.get("/api/credits").json()["available"] == before
    assert client.post(f"/api/jobs/{job}/cancel").status_code == 200


def test_a_job_that_is_cancelled_before_it_was_submitted_never_is(
    troubled: RunningWorld, client: httpx.Client
) -> None:
    troubled.fault("post_503", times=1)
    job = create(client, headers={"Prefer": "respond-async"})
    eventually(lambda: events_of(client, job, "AttemptFailed"))
    client.post(f"/api/jobs/{job}/cancel")
    posted = troubled.simulator("GET", "posts")[job]
    eventually(lambda: client.get(f"/api/jobs/{job}").json()["status"] == "cancelled")
    other = create(client)
    until_ended(client, other)
    assert troubled.simulator("GET", "posts")[job] == posted


def test_a_dead_letter_is_listed_replayed_and_discarded(
    troubled: RunningWorld, client: httpx.Client
) -> None:
    job = create(client)
    until_ended(client, job)
    requested = events_of_world(troubled, job, "JobRequested")
    for _ in range(2):
        troubled.park("dispatcher-submit-jobs", requested["sequence"])
    first, second = troubled.cli("parked", "list")
    shown = troubled.cli("parked", "show", str(first["id"]))
    assert "JobRequested" in {event["type"] for event in shown["events"]}
    assert troubled.cli("parked", "replay", str(first["id"]))["replayed"]
    troubled.cli("parked", "discard", str(second["id"]), "--reason", "settled by hand")
    assert troubled.cli("parked", "list") == []
    acted = troubled.cli("events", "list", "--type", "OperatorActed")
    assert [each["body"]["action"] for each in acted] == [
        "dead_letter.replay",
        "dead_letter.discard",
    ]
    assert troubled.simulator("GET", "posts")[job] == 1


def test_a_dead_letter_whose_replay_fails_stays(troubled: RunningWorld) -> None:
    troubled.park("ingestor-settle-results", 10_000_000)
    place = troubled.cli("parked", "list")["id"]
    assert troubled.cli("parked", "replay", str(place), check=False) == []
    assert troubled.cli("parked", "list")["id"] == place
    troubled.cli("parked", "discard", str(place), "--reason", "a test")


def events_of_world(world: RunningWorld, job: str, kind: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = world.cli("events", "list", "--job", job)
    return next(row for row in rows if row["type"] == kind)
