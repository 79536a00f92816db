"""Runs against real processes: what is broken, under which load, and what has to hold after it."""

import hashlib
import os
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from msgspec import Struct
from sqlalchemy import create_engine

from adapters.settings import READ_MODELS_FILE
from contracts.ids import JobId
from tests.faults.load import Load, request, settle_and_check
from tests.support.waiting import eventually
from tests.support.worlds import RunningWorld

_HERE = Path(__file__).parent
SERVICES = ("services.api", "services.dispatcher", "services.ingestor", "services.projector")
SETTINGS = {
    "RECONCILE_AFTER_SECONDS": "5",
    "RECONCILE_EVERY_SECONDS": "2",
    "SUBMIT_UNKNOWN_SECONDS": "15",
    "ARTIFACTS": "link",
    "ACCOUNT_REQUESTS_PER_MINUTE": "1000000",
    "ACCOUNT_JOBS_IN_FLIGHT_MAX": "1000000",
}
COPYING = SETTINGS | {"ARTIFACTS": "copy"}
SMALL_LOG = SETTINGS | {"LOG_MAX_BYTES": "1500000", "LOG_RESERVE_BYTES": "1100000"}
WRONG_CLOCKS = SETTINGS | {
    "PYTHONPATH": os.pathsep.join([str(_HERE / "wrong_clocks"), str(_HERE.parents[1])]),
    "PYTHON_TEST_CLOCK_SKEWS": "api=-60,dispatcher=120,ingestor=400,projector=-600",
    "RECONCILE_AFTER_SECONDS": "1",
}


class Result(Struct, frozen=True):
    """One row of the table."""

    fault: str
    jobs: int
    note: str
    seconds_to_recover: float


def kill_services(world: RunningWorld, seconds: float) -> Result:
    """Kill -9 of one service after the other, one every two seconds, under load."""
    kills = 0
    with Load(world) as load:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            time.sleep(2)
            os.kill(world.service_pid(SERVICES[kills % len(SERVICES)]), signal.SIGKILL)
            kills += 1
    took = settle_and_check(world, load.accepted)
    return Result("kill -9 of every service in turn", len(load.accepted), f"{kills} kills", took)


def kill_broker(world: RunningWorld, times: int) -> Result:
    """Kill -9 of the broker under load: what was acknowledged is there."""
    with Load(world) as load:
        for _ in range(times):
            time.sleep(3)
            os.kill(world.service_pid("nats-server"), signal.SIGKILL)
        time.sleep(3)
    took = settle_and_check(world, load.accepted, 90)
    return Result("kill -9 of the broker", len(load.accepted), f"{times} kills", took)


def lose_replies(world: RunningWorld, count: int) -> Result:
    """Each POST is taken and its reply lost: one POST a job, one charge a user."""
    world.fault("lost_reply", times=count)
    with world.client() as client, ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(lambda n: request(client, f"lost-{n}"), range(count)))
    took = settle_and_check(world, ids, 120)
    posts = world.simulator("GET", "posts")
    assert all(posts[job] == 1 for job in ids), "a job was posted twice"
    return Result("the reply to every POST is lost", count, f"{count} POSTs, 1 a job", took)


def lock_database(world: RunningWorld, seconds: float) -> Result:
    """Somebody else holds the read models' write lock: the log goes on, the rows catch up."""
    with Load(world) as load:
        time.sleep(1)
        with _locked(world):
            time.sleep(seconds)
        time.sleep(1)
    took = settle_and_check(world, load.accepted)
    return Result("the database is locked", len(load.accepted), f"for {seconds:g} s", took)


@contextmanager
def _locked(world: RunningWorld) -> Any:
    engine = create_engine(
        f"sqlite:///{world.path / READ_MODELS_FILE}", connect_args={"timeout": 10}
    )
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.isolation_level = None
        driver.execute("BEGIN IMMEDIATE")
        yield
        driver.execute("ROLLBACK")
    engine.dispose()


def drown_in_webhooks(world: RunningWorld, count: int) -> Result:
    """Duplicates, forgeries, stale and unusable deliveries, and some that never come."""
    modes = (
        *("duplicate_webhook", "forged_webhook", "stale_webhook"),
        *("no_webhook", "empty_webhook", "altered_webhook"),
    )
    for mode in modes:
        world.fault(mode, times=-(-count // len(modes)))
    with world.client() as client:
        ids = {request(client, f"chaos-{number}") for number in range(count)}
    took = settle_and_check(world, ids, 90)
    return Result("webhooks in every bad shape", count, ", ".join(modes), took)


def freeze_broker(world: RunningWorld, seconds: float) -> Result:
    """The broker is there and answers nothing: no 201 without its word, 503 within seconds."""
    broker = world.service_pid("nats-server")
    with Load(world) as load:
        time.sleep(1)
        os.kill(broker, signal.SIGSTOP)
        try:
            with world.client() as client:
                began_at = time.monotonic()
                answer = client.post("/api/infographs/create/", json={"prompt": "nobody listens"})
                waited = time.monotonic() - began_at
            assert answer.status_code == 503, answer.text
            assert answer.headers["retry-after"]
            time.sleep(seconds)
        finally:
            os.kill(broker, signal.SIGCONT)
        time.sleep(2)
    took = settle_and_check(world, load.accepted, 90)
    note = f"for {seconds:g} s; the first 503 came after {waited:.1f} s"
    return Result("the broker cannot be reached (frozen)", len(load.accepted), note, took)


def fill_log(world: RunningWorld) -> Result:
    """New work is refused inside the reserve, all in flight still ends, and more room opens it."""
    accepted: set[JobId] = set()
    headers = {"Prefer": "respond-async"}
    with world.client() as client:
        while True:
            body = {"prompt": f"fill {len(accepted)}"}
            answer = client.post("/api/infographs/create/", json=body, headers=headers)
            if answer.status_code != 201:
                break
            accepted.add(JobId(answer.json()["infographs"][0]["id"]))
        assert (answer.status_code, answer.json()["code"]) == (503, "log_full")
        took = settle_and_check(world, accepted)
        world.cli("broker", "setup", "--max-bytes", str(20 * 1024**2))
        eventually(lambda: request(client, "room again"))
    return Result("the log is full", len(accepted), "then its limit is raised, online", took)


def take_storage_away(world: RunningWorld, seconds: float) -> Result:
    """Nothing can be stored, then it can: every result waits, none is half-written."""
    place, aside = world.path / "storage", world.path / "storage-aside"
    place.mkdir(exist_ok=True)
    for mode in ("forbidden_file", "cut_short_file"):
        world.fault(mode, times=5)
    with Load(world, clients=2) as load:
        time.sleep(1)
        shutil.move(place, aside)
        place.write_text("no folder")
        time.sleep(seconds)
        place.unlink()
        shutil.move(aside, place)
        time.sleep(1)
    took = settle_and_check(world, load.accepted)
    with world.client() as client:
        for job in load.accepted:
            document = client.get(f"/api/jobs/{job}").json()
            assert document["status"] == "completed", document
            _is_whole(client, document["artifacts"][0])
    assert not list(place.rglob("*.part")), "something half-written was left"
    note = f"for {seconds:g} s, and the provider's files are 403 or cut short at first"
    return Result("storage is away", len(load.accepted), note, took)


def _is_whole(client: httpx.Client, artifact: dict[str, Any]) -> None:
    body = client.get(artifact["url"]).content
    assert (len(body), hashlib.sha256(body).hexdigest()) == (artifact["bytes"], artifact["sha256"])


def skew_clocks(world: RunningWorld, count: int) -> Result:
    """Each service has another time: the log's order is what counts, and polling heals."""
    with world.client() as client:
        ids = {request(client, f"skewed-{number}") for number in range(count)}
        took = settle_and_check(world, ids, 120)
        jobs = [client.get(f"/api/jobs/{job}").json() for job in ids]
    assert {job["status"] for job in jobs} == {"completed"}, jobs
    assert min(map(_seconds_by_the_clocks, jobs)) > 400, "the clocks were right"
    return Result(
        "clocks are wrong", count, "api -60 s, dispatcher +120, ingestor +400, projector -600", took
    )


def _seconds_by_the_clocks(job: dict[str, Any]) -> float:
    """From the request, by the api's clock, to the end, by the ingestor's."""
    took: timedelta = datetime.fromisoformat(job["updated_at"]) - datetime.fromisoformat(
        job["created_at"]
    )
    return took.total_seconds()


def grant_plenty(world: RunningWorld) -> None:
    world.grant("demo", 100_000)
