"""The embedded world: comes up, survives its parts, comes back, and goes without a trace."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from cli.world import free_port
from tests.support.servers import folder
from tests.support.waiting import eventually
from tests.support.worlds import RunningWorld, create, darkroom, running_world, until_ended


def children_of(pid: int) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, check=False)
    return [int(line) for line in found.stdout.split()]


@pytest.mark.same_on_any_database
def test_ctrl_c_ends_it_in_time_and_leaves_no_process_behind() -> None:
    with running_world() as world:
        pids = children_of(world.process.pid)
        assert len(pids) == 6
        started_at = time.monotonic()
        assert world.stop(signal.SIGINT) == 0
        assert time.monotonic() - started_at < 20
        assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_a_second_start_on_the_same_data_continues() -> None:
    with running_world(SIMULATOR_SECONDS="3") as world:
        with world.client() as client:
            done = create(client, headers={"Idempotency-Key": "kept"})
            until_ended(client, done)
            open_job = create(client)
        world.stop()
        world.restart()
        with world.client() as client:
            assert client.get(f"/api/jobs/{done}").json()["status"] == "completed"
            assert create(client, headers={"Idempotency-Key": "kept"}) == done
            assert until_ended(client, open_job, 60)["status"] == "completed"
            balance = client.get("/api/credits").json()
        assert (balance["available"], balance["spent"], balance["held"]) == (98, 2, 0)


def test_a_service_that_dies_is_started_again_and_nothing_is_lost() -> None:
    with running_world(RECONCILE_AFTER_SECONDS="3") as world, world.client() as client:
        for service in ("services.dispatcher", "services.ingestor", "services.projector"):
            os.kill(world.service_pid(service), signal.SIGKILL)
            job = create(client, service, headers={"Prefer": "respond-async"})
            assert until_ended(client, job, 60)["status"] == "completed"


def test_without_the_broker_a_request_is_a_503_and_never_a_201() -> None:
    with running_world() as world, world.client() as client:
        job = create(client)
        until_ended(client, job)
        broker = world.service_pid("nats-server")
        os.kill(broker, signal.SIGSTOP)
        try:
            answer = client.post("/api/infographs/create/", json={"prompt": "reefs"})
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) > 0
            assert client.get("/health/ready").status_code == 503
            assert client.get(f"/api/jobs/{job}").status_code == 200
        finally:
            os.kill(broker, signal.SIGCONT)
        ready = lambda: client.get("/health/ready").status_code == 200  # noqa: E731
        eventually(ready)
        assert until_ended(client, create(client))["status"] == "completed"


@pytest.mark.same_on_any_database
def test_two_worlds_run_beside_each_other(world: RunningWorld) -> None:
    with running_world() as other:
        assert world.url != other.url
        with world.client() as client:
            job = create(client)
            assert until_ended(client, job)["status"] == "completed"
        with other.client() as client:
            assert client.get(f"/api/jobs/{job}").status_code == 404


@pytest.mark.same_on_any_database
def test_a_taken_port_is_a_friendly_message(world: RunningWorld) -> None:
    with folder() as path:
        done = darkroom(path, "up", "--port", str(world.world.port))
    assert done.returncode == 2
    assert f"port {world.world.port} is taken" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.same_on_any_database
def test_a_command_without_a_world_says_what_to_do() -> None:
    with folder() as path:
        done = darkroom(path, "credits", "show", "--account", "demo")
    assert done.returncode == 5
    assert "darkroom up" in done.stderr


@pytest.mark.same_on_any_database
def test_a_front_door_that_does_not_answer_is_one_line_and_exit_code_5() -> None:
    with folder() as path:
        done = darkroom(
            path, "jobs", "list", "--token", "dkr_x", DARKROOM_URL=f"http://127.0.0.1:{free_port()}"
        )
    assert done.returncode == 5
    assert "Traceback" not in done.stderr


@pytest.mark.same_on_any_database
def test_up_beside_given_parts_needs_a_key_or_says_that_the_simulator_is_meant() -> None:
    with folder() as path:
        done = darkroom(path, "up", DATABASE_URL="sqlite:////tmp/none.sqlite3")
    assert done.returncode == 2
    assert "PROVIDER=simulator" in done.stderr


@pytest.mark.same_on_any_database
def test_a_service_alone_needs_a_key_or_says_that_the_simulator_is_meant() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "services.dispatcher"],
        env={**os.environ, "NATS_URL": "nats://127.0.0.1:1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 2
    assert "FAL_KEY is not set" in done.stderr


def test_the_command_line_makes_and_shows_a_job(world: RunningWorld) -> None:
    job = world.cli("jobs", "create", "reefs", "--field", "aspect_ratio=16:9", "--wait")
    assert (job["status"], job["input"]["aspect_ratio"]) == ("completed", "16:9")
    assert world.cli("jobs", "show", job["id"])["id"] == job["id"]
    assert world.cli("jobs", "watch", job["id"])["status"] == "completed"
    assert world.cli("jobs", "list", "--limit", "1")["id"] == job["id"]
    types = [event["type"] for event in world.cli("events", "list", "--job", job["id"])]
    assert types[-2:] == ["JobCompleted", "CreditsCharged"]
    own = world.cli("events", "list", "--boundary", "job", "--id", job["id"])
    assert own[0]["type"] == "SubmissionStarted"
    assert darkroom(world.path, "jobs", "show", "no-such-job").returncode == 3


@pytest.mark.same_on_any_database
def test_the_log_can_be_followed(world: RunningWorld) -> None:
    command = [sys.executable, "-m", "cli", "events", "tail", "--after", "0", "--json"]
    following = subprocess.Popen(
        [*command, "--data-dir", str(world.path)], stdout=subprocess.PIPE, text=True
    )
    assert following.stdout is not None
    first = json.loads(following.stdout.readline())
    following.send_signal(signal.SIGINT)
    following.communicate(timeout=120)
    assert following.returncode == 130
    assert (first["sequence"], first["type"]) == (1, "AccountOpened")
    shown, _granted = world.cli("events", "show", "1")
    assert shown == first


def test_doctor_finds_a_healthy_world_healthy(world: RunningWorld) -> None:
    findings = {finding["what"]: finding for finding in world.cli("doctor")}
    assert findings["front door"]["state"] == world.url
    assert findings["provider"]["state"].startswith("simulator")
    assert all(not finding["advice"] for finding in findings.values())


def test_a_grant_with_a_key_is_given_once(world: RunningWorld) -> None:
    options = ("--account", "keyed", "--amount", "5", "--reason", "r", "--key", "g-1")
    assert world.cli("credits", "grant", *options)["available"] == 5
    assert world.cli("credits", "grant", *options)["available"] == 5
    entries = world.cli("credits", "entries", "--account", "keyed")
    assert entries["move"] == "granted"
    more = (*options[:2], "--amount", "9", "--reason", "r")
    refused = darkroom(world.path, "credits", "revoke", *more, **world.environment)
    assert refused.returncode == 4


@pytest.mark.same_on_any_database
def test_secrets_are_in_no_log_and_no_shown_setting(world: RunningWorld) -> None:
    shown = world.cli("config", "show")
    secrets = [*world.world.tokens.values(), *world.world.passwords.values()]
    secrets.append((world.path / "master.key").read_text())
    texts = [str(shown), *(path.read_text() for path in (world.path / "logs").glob("*.log"))]
    assert not [secret for secret in secrets for text in texts if secret in text]
    assert httpx.get(f"{world.url}/health/ready").json() == {"status": "ready"}


@pytest.mark.same_on_any_database
@pytest.mark.parametrize(
    ("kind", "result"), [("infograph", ".png"), ("character", ".png"), ("funnel", "# ")]
)
def test_the_demo_makes_each_kind_and_stops_everything(kind: str, result: str) -> None:
    """In a folder that was named everything is kept; of a new one the picture alone."""
    with folder() as path:
        named = ["--data-dir", str(path)] if kind == "character" else []
        done = subprocess.run(
            [sys.executable, "-m", "cli", "demo", "--kind", kind, *named],
            env={**os.environ, "SIMULATOR_SECONDS": "0.2", "TMPDIR": str(path)},
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        assert result in done.stdout
        files = [str(each) for each in path.rglob("*") if each.is_file()]
        if named:
            assert (path / "world.json").exists()
        else:
            assert files == ([done.stdout.strip()] if kind == "infograph" else [])
        left = subprocess.run(["pgrep", "-f", str(path)], capture_output=True, check=False)
        assert not left.stdout
