"""A customer's server that takes connections and says nothing: who else is kept waiting?"""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from contracts.ids import JobId
from tests.faults.load import request, settle_and_check
from tests.faults.real_runs import SETTINGS, Result
from tests.support.receiver import Receiver, a_receiver
from tests.support.waiting import eventually
from tests.support.worlds import RunningWorld, running_world

OTHERS_SECONDS_MAX = 2.0


def starve(deliveries: int) -> Result:
    """So many deliveries wait for a dead endpoint; another customer is told at once."""
    with a_silent_server() as dead, a_receiver() as good:
        settings = SETTINGS | {"WEBHOOK_HOSTS_ALLOWED": f"{dead},{good.host}"}
        with running_world(**settings) as world:
            return _starve(world, deliveries, dead, good)


def _starve(world: RunningWorld, deliveries: int, dead: str, good: Receiver) -> Result:
    began_at = time.monotonic()
    world.cli("credits", "grant", "--account", "demo", "--amount", "100000", "--reason", "faults")
    with world.client() as client:
        _register(client, f"http://{dead}/hooks")
        ids = {request(client, f"dead-{number}") for number in range(deliveries)}
        settle_and_check(world, ids, 120)
    with world.client(world.new_account("another", 10)) as other:
        _register(other, f"http://{good.host}/hooks")
        took = []
        for number in range(5):
            job = request(other, f"good-{number}")
            took.append(_until_told(other, good, job))
    assert max(took) < OTHERS_SECONDS_MAX, took
    note = f"{deliveries:,} deliveries wait for it; another's customer is told after"
    return Result(
        "an endpoint is dead",
        deliveries,
        f"{note} {max(took) * 1000:.0f} ms at the most",
        time.monotonic() - began_at,
    )


def _until_told(client: httpx.Client, good: Receiver, job: JobId) -> float:
    """Return the seconds from the job's end, as a client sees it, to its delivery."""
    before = len(good.received)
    client.get(f"/api/jobs/{job}?wait=20")
    ended_at = time.monotonic()
    eventually(lambda: len(good.received) > before, 30)
    return time.monotonic() - ended_at


def _register(client: httpx.Client, url: str) -> None:
    answer = client.post("/api/webhook-endpoints", json={"url": url})
    assert answer.status_code == 201, answer.text


@contextmanager
def a_silent_server() -> Iterator[str]:
    """Listens, and never answers: its backlog takes connections that nobody accepts."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"
