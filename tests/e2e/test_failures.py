"""Each failure on demand, in a world of its own: what the pages say of it is what happens.

All are made at once, so that those which take long take it together.
"""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from msgspec import Struct

from domain.refusals import CODES, JOB_CODES
from simulator.failures import ABOUT
from tests.support.failing import (
    FailingRow,
    cells_of,
    check_outcome,
    failing_rows,
    request_failing,
)
from tests.support.receiver import Receiver, a_receiver
from tests.support.waiting import eventually
from tests.support.worlds import RunningWorld, create, darkroom, running_world, until_ended

pytestmark = pytest.mark.same_on_any_database

ALARM, NO_ALARM = "alarm", "-"
LINE = re.compile(r"`darkroom simulate ([^`]+)`")
SETTINGS = {
    "RECONCILE_AFTER_SECONDS": "2",
    "RECONCILE_EVERY_SECONDS": "1",
    "SUBMIT_UNKNOWN_SECONDS": "9",
    "SUBMIT_BACKOFF_SECONDS_MAX": "1",
    "JOB_DEADLINE_SECONDS": "40",
}


class Failing(Struct, frozen=True):
    """A world in which every failure was asked for, and the jobs that met them."""

    world: RunningWorld
    client: httpx.Client
    receiver: Receiver
    rows: list[tuple[FailingRow, list[str]]]
    codes: dict[str, str]  # Code of a failed job -> the job that was to fail so.


@pytest.fixture(scope="module")
def failing() -> Iterator[Failing]:
    rows = failing_rows()
    quiet = [row for row in rows if row.doctor == NO_ALARM]
    with (
        a_receiver() as receiver,
        running_world(WEBHOOK_HOSTS_ALLOWED=receiver.host, **SETTINGS) as world,
        world.client() as client,
    ):
        hook = {"url": f"http://{receiver.host}/hooks"}
        client.post("/api/webhook-endpoints", json=hook).raise_for_status()
        client.post("/api/infographs/create/", json={"prompt": "warm"}).raise_for_status()
        codes = _requested_by_lines(world, client)
        requested = [
            (row, [job for names in row.together for job in request_failing(world, client, names)])
            for row in quiet
        ]
        yield Failing(world, client, receiver, requested, codes)


def lines_of(heading: str) -> dict[str, str]:
    """Return the arguments of each `darkroom simulate` line of a table of errors.md, by code."""
    rows = {cells[0].strip("`"): LINE.search(cells[-1]) for cells in cells_of("errors.md", heading)}
    return {code: found[1] for code, found in rows.items() if found}


def _requested_by_lines(world: RunningWorld, client: httpx.Client) -> dict[str, str]:
    """Run each line for a word of its own, and request a job with that word."""
    lines = lines_of("Of a failed job")

    def run(code: str) -> None:
        word = ("--prompt-contains", f"line {code}")
        done = darkroom(world.path, "simulate", *lines[code].split(), *word)
        assert done.returncode == 0, done.stderr

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, lines))
    headers = {"Prefer": "respond-async"}
    return {code: create(client, f"line {code}", headers=headers) for code in lines}


def test_the_page_has_every_failure_and_no_other() -> None:
    named = {name for row in failing_rows() for names in row.together for name in names}
    assert named == ABOUT.keys()


def test_every_failure_ends_as_the_page_says(failing: Failing) -> None:
    for row, jobs in failing.rows:
        for job in jobs:
            check_outcome(failing.client, failing.receiver, job, row.outcome)
    assert not alarms(failing.world)


def test_what_refuses_the_operators_account_alarms_and_fails_nobody(failing: Failing) -> None:
    """The jobs are requested in one commit, so that all are refused before the breaker opens."""
    (row,) = [row for row in failing_rows() if row.doctor == ALARM]
    names = [name for (name,) in row.together]
    jobs = request_failing(failing.world, failing.client, names, len(names))
    assert "refuses the operator's account" in eventually(lambda: alarms(failing.world))[0]
    for job in jobs:
        check_outcome(failing.client, failing.receiver, job, row.outcome)
    eventually(lambda: not alarms(failing.world))


def alarms(world: RunningWorld) -> list[str]:
    found = world.cli("doctor", check=False)
    return [each["advice"] for each in found if each["state"] == "alarm"]


def test_each_line_of_the_errors_page_fails_a_job_with_its_code(failing: Failing) -> None:
    ended = {code: until_ended(failing.client, job, 60) for code, job in failing.codes.items()}
    assert {code: job["error"]["code"] for code, job in ended.items()} == {
        code: code for code in ended
    }


def test_each_line_of_a_refused_request_works(failing: Failing) -> None:
    client = failing.client
    assert lines_of("Of a request") == {
        "job_open": "never_ends",
        "already_retried": "content_policy",
    }
    failing.world.fault("never_ends")
    job = create(client)
    deleted = client.delete(f"/api/infographs/{job}/")
    client.post(f"/api/jobs/{job}/cancel").raise_for_status()
    failed = failing.codes["content_policy"]
    until_ended(client, failed)
    for _ in range(2):
        retried = client.post(f"/api/jobs/{failed}/retry")
    assert (deleted.json()["code"], retried.json()["code"]) == ("job_open", "already_retried")


def test_the_errors_page_has_exactly_the_codes_that_there_are() -> None:
    for heading, codes in (("Of a request", CODES), ("Of a failed job", JOB_CODES)):
        rows = cells_of("errors.md", heading)
        assert sorted(cells[0].strip("`") for cells in rows) == sorted(codes)
        for cells in rows:
            assert re.fullmatch(r"[A-Z].+[.]", cells[-3]), f"{cells[0]}: no sentence to show"
            assert all(cells), f"{cells[0]} has an empty cell"
