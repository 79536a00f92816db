"""The OpenAPI document holds: what it allows is taken, what it forbids is refused, and every answer
is one that it names.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import jsonschema_rs
import pytest

from tests.e2e.test_funnels import until_idle
from tests.support.worlds import RunningWorld, create, running_world, until_ended

SEED = 20_261_121
EXAMPLES_MAX = 20
ALLOWED_ENDPOINT = "127.0.0.1:9"


@pytest.fixture(scope="module")
def world() -> Iterator[RunningWorld]:
    """Limits are wide: a schema cannot tell how often somebody has asked."""
    with running_world(
        ACCOUNT_REQUESTS_PER_MINUTE="1000000",
        ACCOUNT_READS_PER_MINUTE="1000000",
        ACCOUNT_JOBS_IN_FLIGHT_MAX="1000000",
        WEBHOOK_HOSTS_ALLOWED=ALLOWED_ENDPOINT,
        CREATE_WAIT_SECONDS="0",
    ) as opened:
        yield opened


def test_schemathesis_finds_nothing(world: RunningWorld, tmp_path: Path) -> None:
    token = world.world.tokens["operator"]
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{world.url}/api/openapi.json"),
        *("--header", f"Authorization: Token {token}", "--seed", str(SEED)),
        *("--max-examples", str(EXAMPLES_MAX), "--phases", "examples,coverage,fuzzing"),
        *("--exclude-path", "/api/stream", "--exclude-path", "/api/jobs/{id}/stream"),
        *("--exclude-path", "/api/ws", "--continue-on-failure", "--no-color"),
        *("--checks", "all"),
    ]
    done = subprocess.run(
        command,
        env=os.environ | _known(world, token),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _known(world: RunningWorld, token: str) -> dict[str, str]:
    """What exists: an ended job, an ended run, an endpoint; and a cursor of this log."""
    grant = ("--account", "operators", "--amount", "1000", "--reason", "a test")
    world.cli("credits", "grant", *grant)
    with world.client(token) as client:
        job = until_ended(client, create(client))["id"]
        asked = {"projectId": "contract", "intake": "reefs"}
        run = client.post("/api/generate/auto-generate-all", json=asked).json()["runId"]
        until_idle(client, "contract")
        url = f"http://{ALLOWED_ENDPOINT}/"
        endpoint = client.post("/api/webhook-endpoints", json={"url": url}).json()["id"]
        cursor = client.get("/api/credits").json()["as_of"]
        tokens = client.get("/api/operator/tokens").json()["items"]
    return {
        "PYTHONPATH": str(Path.cwd()),
        "SCHEMATHESIS_HOOKS": "tests.support.contract_hooks",
        "CONTRACT_CURSOR": cursor,
        "CONTRACT_ENDPOINT_URL": url,
        "CONTRACT_JOB": job,
        "CONTRACT_TOKENS": ",".join(each["id"] for each in tokens),
        "CONTRACT_RUN": run,
        "CONTRACT_ENDPOINT": endpoint,
    }


def test_every_operation_names_what_it_answers_with(world: RunningWorld) -> None:
    document = httpx.get(f"{world.url}/api/openapi.json").json()
    schemes = set(document["components"]["securitySchemes"])
    assert schemes == {"token", "bearer", "ticket"}
    names = set()
    for path, operations in document["paths"].items():
        for operation in operations.values():
            names.add(operation["operationId"])
            problems = {status for status in operation["responses"] if status >= "400"}
            if path == "/api/ws":
                continue
            is_open = path.startswith(("/health", "/artifacts", "/api/infographs/webhook"))
            assert is_open == (operation["security"] == [])
            assert is_open or {"401", "422", "429", "503"} <= problems
            if "requestBody" in operation:
                assert {"400", "413", "422"} <= problems
    names.add("stream_socket")
    assert len(names) == sum(map(len, document["paths"].values()))


def test_the_stream_answers_as_described(world: RunningWorld) -> None:
    """Left out above: it never ends."""
    with world.client() as client, client.stream("GET", "/api/stream") as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")


def test_the_frames_of_a_stream_are_as_described(world: RunningWorld) -> None:
    """Left out above: schemathesis reads no JSON inside of frames."""
    document = httpx.get(f"{world.url}/api/openapi.json").json()
    frame = {"$ref": "#/components/schemas/StreamFrame", "components": document["components"]}
    with world.client() as client:
        job = until_ended(client, create(client))["id"]
        text = client.get(f"/api/jobs/{job}/stream").text
        again = client.get(f"/api/jobs/{job}/stream", params={"after": "none"}).text
    for event in (text.split("\n\n")[1], again.split("\n\n")[1]):
        fields = dict(line.split(": ", 1) for line in event.splitlines())
        jsonschema_rs.validate(frame, fields | {"data": json.loads(fields["data"])})


def test_the_history_of_a_job_is_as_described(world: RunningWorld) -> None:
    document = httpx.get(f"{world.url}/api/openapi.json").json()
    event = {"$ref": "#/components/schemas/Event", "components": document["components"]}
    with world.client() as client:
        job = until_ended(client, create(client))["id"]
        items = client.get(f"/api/jobs/{job}/history").json()["items"]
    assert {"JobRequested", "JobSubmitted", "JobCompleted"} <= {each["type"] for each in items}
    for item in items:
        jsonschema_rs.validate(event, item)


def test_a_wrong_method_is_told_the_right_ones(world: RunningWorld) -> None:
    for path in ("/api/jobs", "/api/jobs/", "/api/infographs/create/", "/api/runs/a/cancel"):
        answer = httpx.put(f"{world.url}{path}")
        assert answer.status_code == 405
        assert "POST" in answer.headers["allow"].split(", ")
