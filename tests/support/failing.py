"""Failures on demand, made in a real world, and what is seen of them: as the pages say it."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Any

import httpx
from msgspec import Struct

from tests.architecture.sources import ROOT
from tests.support.receiver import Receiver
from tests.support.waiting import eventually
from tests.support.worlds import RunningWorld, until_ended

GUIDES = ROOT / "docs" / "guides"
NONE = "-"
BEGIN = ("CreditsReserved", "JobRequested")
ENDS = {
    "completed": ("JobCompleted", "CreditsCharged"),
    "failed": ("JobFailed", "CreditsReleased"),
}


class Outcome(Struct, frozen=True):
    """What a user, a customer's server and the log see of one job; a row of failures.md."""

    status: str
    code: str
    message: str
    credits: str
    webhook: str
    events: tuple[str, ...]  # In any order: replies and webhooks overtake each other.


class FailingRow(Struct, frozen=True):
    """A row of failures.md: sets of failures that are made together, each of which ends so."""

    together: tuple[tuple[str, ...], ...]
    outcome: Outcome
    doctor: str


def cells_of(name: str, heading: str) -> list[list[str]]:
    """Return the rows of the table under a heading of a guide, without its head."""
    text = (GUIDES / name).read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def failing_rows() -> list[FailingRow]:
    return [_row_of(cells) for cells in cells_of("failures.md", "What then happens")]


def _row_of(cells: list[str]) -> FailingRow:
    names, status, code, message, moved, webhook, events, doctor, _ = cells
    together = tuple(tuple(re.findall(r"`(\w+)`", each)) for each in names.split(", "))
    outcome = Outcome(
        status=status,
        code=code.strip("`"),
        message=message,
        credits=moved,
        webhook=webhook,
        events=tuple(sorted(events.split(", "))),
    )
    return FailingRow(together, outcome, doctor)


def request_failing(
    world: RunningWorld, client: httpx.Client, failures: Sequence[str], count: int = 1
) -> list[str]:
    """Request so many jobs in one commit, each of which gets one of the failures, or all of them
    if there is one job; return the jobs.
    """
    word = f"<{' '.join(failures)}>"
    for name in failures:
        rule = {"failure": name, "next": 1, "prompt_contains": word}
        world.simulator("POST", "failures", rule)
    prompt = f"a reef {word}"
    headers = {"Prefer": "respond-async"}
    if "failed_text" in failures:
        body: dict[str, Any] = {"kind": "funnel_step", "input": {"prompt": prompt}}
        answer = client.post("/api/jobs", json=body, headers=headers)
        return [answer.raise_for_status().json()["id"]]
    body = {"prompt": prompt, "resolution": "1K", "number_of_infographs": count}
    answer = client.post("/api/infographs/create/", json=body, headers=headers)
    return [item["id"] for item in answer.raise_for_status().json()["infographs"]]


def check_outcome(client: httpx.Client, receiver: Receiver, job: str, expected: Outcome) -> None:
    """Wait until the job has come to what is expected, all its events included."""
    until_ended(client, job, 60)
    eventually(lambda: _received(receiver, job))
    eventually(lambda: len(_events(client, job)) >= len(expected.events))
    assert outcome_of(client, receiver, job) == expected, job


def outcome_of(client: httpx.Client, receiver: Receiver, job: str) -> Outcome:
    """Say how a job that has ended went."""
    document = client.get(f"/api/infographs/status/{job}/")
    if document.status_code == httpx.codes.NOT_FOUND:  # Not an infograph.
        document = client.get(f"/api/jobs/{job}")
    shown = document.json()
    error = shown.get("error") or {}
    if isinstance(error, str):
        error = {"code": shown["error_code"], "message": shown["error_message"]}
    (received,) = _received(receiver, job)
    assert received["data"]["error_code"] == error.get("code")
    return Outcome(
        status=shown["status"],
        code=error.get("code", NONE),
        message=" ".join(error.get("message", NONE).split()),
        credits="charged" if shown["status"] == "completed" else "given back",
        webhook=received["type"],
        events=_events(client, job),
    )


def _received(receiver: Receiver, job: str) -> list[dict[str, Any]]:
    return [json.loads(each.body) for each in list(receiver.received) if job.encode() in each.body]


def _events(client: httpx.Client, job: str) -> tuple[str, ...]:
    """Return the job's events by name, without those that every job has: these are checked, the
    settlement of the hold among them.
    """
    items = client.get(f"/api/jobs/{job}/history").json()["items"]
    counted = Counter(each["type"] for each in items)
    usual = Counter(chain(BEGIN, *(end for end in ENDS.values() if end[0] in counted)))
    assert not usual - counted, items
    return tuple(sorted((counted - usual).elements()))
