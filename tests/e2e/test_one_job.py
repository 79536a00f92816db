"""One infograph makes the stops of ARCHITECTURE.md, in the same order, over the real parts."""

import io
from typing import Any

import httpx
from PIL import Image

from tests.support.worlds import RunningWorld, until_ended

STOPS = [
    ("account", "CreditsReserved"),  # 3 The account decider, 4 the log.
    ("account", "JobRequested"),
    ("job", "SubmissionStarted"),  # 5 The dispatcher, 6 the kind, 7 the attempt.
    ("evidence", "JobSubmitted"),  # 8 The provider took it.
    ("evidence", "ResultReceived"),  # 9 The ingestor took its webhook.
    ("job", "JobCompleted"),  # 10 Storage, 11 the job decider.
    ("job", "CreditsCharged"),
]


def test_an_infograph_goes_from_request_to_stored_image(
    world: RunningWorld, client: httpx.Client
) -> None:
    before = client.get("/api/credits").json()
    item = take_the_request(world, client)  # 1 and 2
    job = until_ended(client, item["id"])
    assert job["status"] == "completed", job
    read_the_log(client, item["id"])  # 3 to 11
    assert world.simulator("GET", "posts")[item["id"]] == 1
    read_the_rows(client, item, job, before)  # 12 and 13
    fetch_the_image(client.get(item["status_url"]).json()["image_url"], job["artifacts"][0])  # 14


def take_the_request(world: RunningWorld, client: httpx.Client) -> dict[str, Any]:
    """The api takes the request and answers at once."""
    answer = client.post(
        "/api/infographs/create/",
        json={
            "prompt": "Why reefs matter",
            "blog_url": f"https://{world.world.simulator_host}/pages/blog",
            "aspect_ratio": "16/9",
            "resolution": "1K",
        },
        headers={"Prefer": "wait=10"},
    )
    assert answer.status_code == 201
    assert answer.headers["preference-applied"] == "wait=10"
    created = answer.json()
    item: dict[str, Any] = created["infographs"][0]
    assert (created["total_submitted"], created["credits_used"]) == (1, 1)
    assert item["status"] == "processing"
    assert item["request_id"]
    assert answer.headers["location"] == item["status_url"]
    return item


def read_the_log(client: httpx.Client, job: str) -> None:
    """What the log says, wherever it was written."""
    history = client.get(f"/api/jobs/{job}/history").json()["items"]
    assert [(event["boundary"], event["type"]) for event in history] == STOPS
    sequences = [event["sequence"] for event in history]
    assert sequences == sorted(sequences)
    assert history[1]["body"]["input"]["prompt"] == "Why reefs matter"
    assert history[4]["body"]["body"] == {"sealed": True}


def read_the_rows(
    client: httpx.Client, item: dict[str, Any], job: dict[str, Any], before: dict[str, Any]
) -> None:
    """What the projector made of it."""
    shown = client.get(item["status_url"]).json()
    assert (shown["status"], shown["progress"]) == ("completed", 100)
    assert job["input"]["aspect_ratio"] == "16:9"
    assert job["provider"] == "simulator"
    after = client.get("/api/credits").json()
    assert after["spent"] == before["spent"] + 1
    assert after["available"] == before["available"] - 1
    assert after["held"] == before["held"]


def fetch_the_image(url: str, artifact: dict[str, Any]) -> None:
    """The stored image, at a stable address that needs no header."""
    picture = httpx.get(url)
    assert picture.headers["content-type"] == artifact["media_type"] == "image/png"
    assert int(picture.headers["content-length"]) == artifact["bytes"] == len(picture.content)
    assert picture.headers["cache-control"] == "public, max-age=3600"
    with Image.open(io.BytesIO(picture.content)) as image:
        image.load()
        assert image.size == (artifact["width"], artifact["height"]) == (1024, 576)
    again = httpx.get(url, headers={"If-None-Match": picture.headers["etag"]})
    assert again.status_code == 304
