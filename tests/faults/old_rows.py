"""Runs in which the read models are old, stand still, or tell of a log that is no more."""

import os
import shutil
import signal
import time
from functools import partial

import httpx

from contracts.ids import JobId
from tests.faults.load import Load, request, settle_and_check
from tests.faults.real_runs import SETTINGS, Result
from tests.support.waiting import eventually
from tests.support.worlds import RunningWorld

UNKNOWN_SECONDS = 2.0
COMMITS_A_JOB = 4  # At the least.
IMPATIENT = SETTINGS | {
    "SUBMIT_UNKNOWN_SECONDS": str(UNKNOWN_SECONDS),
    "SIMULATOR_SECONDS": "1",
    "RECONCILE_AFTER_SECONDS": "3",
}


def freeze_projector(world: RunningWorld, times_unknown: float) -> Result:
    """The projector stands still for many times the patience with unknown outcomes, under load:
    rows say that nobody knows what became of POSTs, the log knows better. Nobody is posted twice.
    """
    projector = world.service_pid("services.projector")
    with Load(world) as load:
        time.sleep(1)
        os.kill(projector, signal.SIGSTOP)
        try:
            with world.client() as client:
                ids = {_request_unseen(client, f"unseen-{number}") for number in range(20)}
            time.sleep(times_unknown * UNKNOWN_SECONDS)
        finally:
            os.kill(projector, signal.SIGCONT)
    accepted = {*load.accepted, *ids}
    took = settle_and_check(world, accepted, 90)
    posts = world.simulator("GET", "posts")
    extra = sum(posts.get(job, 1) - 1 for job in accepted)
    assert extra == 0, f"{extra} jobs were posted again"
    note = f"for {times_unknown:g} times SUBMIT_UNKNOWN_SECONDS, 0 extra POSTs"
    return Result("the projector stands still", len(accepted), note, took)


def _request_unseen(client: httpx.Client, prompt: str) -> JobId:
    """Ask for a job while no row can tell of it: the answer holds its id all the same."""
    headers = {"Prefer": "respond-async"}
    answer = client.post("/api/infographs/create/", json={"prompt": prompt}, headers=headers)
    assert answer.status_code == 201, answer.text
    return JobId(answer.json()["infographs"][0]["id"])


def set_broker_back(world: RunningWorld, commits: int) -> Result:
    """The broker comes back from an older copy of its store: commits that were acknowledged are
    gone. That is said within seconds, and nothing is acknowledged on top of it.
    """
    broker = world.path / "broker"
    copy, newer = world.path / "broker-copy", world.path / "broker-newer"
    with world.client() as client:
        request(client, "before the copy")
        settle_and_check(world, set())
        world.stop()
        shutil.copytree(broker, copy)
        world.restart()
        before = _end_of(world)
        with client_of(world) as newer_client:
            for number in range(commits // COMMITS_A_JOB + 1):
                request(newer_client, f"after the copy {number}")
        settle_and_check(world, set())
        lost = _end_of(world) - before
        assert lost >= commits, lost
    began_at = _swap(world, broker, copy, newer)
    eventually(lambda: "set back" in str(world.cli("doctor", check=False)))
    seconds = time.monotonic() - began_at
    assert _is_refused(world)
    assert _end_of(world) == before, "something was acknowledged on a log that was set back"
    _swap(world, broker, newer, copy)
    with client_of(world) as client:
        ids = {eventually(lambda: _accepted(client))}
    took = settle_and_check(world, ids)
    note = f"by {lost} commits, refused after {seconds:.1f} s, whole again with its newer store"
    return Result("the broker is set back", len(ids), note, took)


def kill_broker_and_follow(world: RunningWorld, times: int) -> Result:
    """Kill -9 of the broker: rows follow as soon as it is back, not at the next heartbeat."""
    ids: set[JobId] = set()
    slowest = 0.0
    with world.client() as client:
        for number in range(times):
            os.kill(world.service_pid("nats-server"), signal.SIGKILL)
            job = request(client, f"first after the broker {number}")
            accepted_at = time.monotonic()
            eventually(partial(_is_shown, client, job))
            slowest = max(slowest, time.monotonic() - accepted_at)
            ids.add(job)
    took = settle_and_check(world, ids)
    note = f"{times} times; the first commit after its return shows after {slowest:.1f} s"
    return Result("kill -9 of the broker, and rows", len(ids), note, took)


def _is_shown(client: httpx.Client, job: JobId) -> bool:
    return client.get(f"/api/jobs/{job}").status_code == 200


def _swap(world: RunningWorld, store: object, by: object, aside: object) -> float:
    """Kill the broker and change its store before it is started again; return when."""
    os.kill(world.service_pid("nats-server"), signal.SIGKILL)
    began_at = time.monotonic()
    shutil.move(str(store), str(aside))
    shutil.move(str(by), str(store))
    return began_at


def client_of(world: RunningWorld) -> httpx.Client:
    return world.client()


def _end_of(world: RunningWorld) -> int:
    found = world.cli("projections", "status", check=False)
    return int(found["log_end"])


def _is_refused(world: RunningWorld) -> bool:
    with client_of(world) as client:
        answer = client.post("/api/infographs/create/", json={"prompt": "on an old log"})
        ready = client.get("/health/ready")
    return answer.status_code == 503 and ready.status_code == 503


def _accepted(client: httpx.Client) -> JobId | None:
    answer = client.post("/api/infographs/create/", json={"prompt": "on the newer log again"})
    if answer.status_code != 201:
        return None
    return JobId(answer.json()["infographs"][0]["id"])
