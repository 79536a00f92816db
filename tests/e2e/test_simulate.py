"""`darkroom simulate` and the same over HTTP: for programs on this machine."""

import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec import structs

from cli.world import prepare
from simulator.failures import ABOUT
from tests.architecture.sources import ROOT
from tests.support.servers import folder
from tests.support.worlds import RunningWorld, create, darkroom, until_ended

pytestmark = pytest.mark.same_on_any_database

CURL = ROOT / "tests" / "support" / "curl.py"


@pytest.fixture
def failing(world: RunningWorld, client: httpx.Client) -> Iterator[httpx.Client]:
    yield client
    world.simulator("DELETE", "failures")


def simulate(world: RunningWorld, *arguments: str) -> Any:
    """Return what the command prints with --json, always as rows."""
    done = darkroom(world.path, "simulate", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_failure_is_set_counted_shown_and_cleared(
    world: RunningWorld, failing: httpx.Client
) -> None:
    word = ("--prompt-contains", "STORM")
    (rule,) = simulate(world, "content_policy", "--next", "2", *word)
    expected = {"failure": "content_policy", "left": 2, "prompt_contains": "STORM", "matched": 0}
    assert rule == expected
    assert until_ended(failing, create(failing, "calm"))["status"] == "completed"
    refused = until_ended(failing, create(failing, "a storm at sea"))
    assert refused["error"]["code"] == "content_policy"
    assert simulate(world, "list") == [expected | {"left": 1, "matched": 1}]
    assert simulate(world, "clear") == [{"cleared": 1}]
    assert simulate(world, "list") == []
    assert until_ended(failing, create(failing, "a storm at sea"))["status"] == "completed"


def test_alone_it_shows_every_failure_with_a_sentence_and_the_address(
    world: RunningWorld, failing: httpx.Client
) -> None:
    del failing
    (shown,) = simulate(world)
    assert {each["failure"]: each["about"] for each in shown["failures"]} == ABOUT
    assert shown["rules"] == []
    trusted = ssl.create_default_context(cafile=shown["ca_bundle"])
    answer = httpx.post(shown["url"], json={"failure": "slow", "next": 3}, verify=trusted)
    assert answer.status_code == 201
    people = darkroom(world.path, "simulate")
    assert all(name in people.stdout for name in ABOUT)
    assert "set now" in people.stderr
    found = {row["what"]: row["state"] for row in world.cli("doctor")}
    assert found["simulator"] == f"{shown['url']}, 1 failures set"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("sloww",), 2, "did you mean slow?"),
        (("broken",), 2, "content_policy"),
        (("slow", "--next", "0"), 2, "next: must be at least 1"),
        (("slow", "--next", "1001"), 2, "next"),
        (("slow", "--next", "many"), 2, "--next"),
        (("slow", "--prompt-contains", " "), 2, "prompt_contains"),
        (("clear", "--next", "1"), 2, "name the failure"),
        (("--prompt-contains", "x"), 2, "name the failure"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    world: RunningWorld, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = darkroom(world.path, "simulate", *arguments)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
    assert world.simulator("GET", "failures")["rules"] == []


def test_only_this_machine_reaches_it(world: RunningWorld) -> None:
    """Its certificate and its port are for loopback; no other address of the machine has it."""
    port = world.world.ports["simulator"]
    socket.create_connection(("127.0.0.1", port), 3).close()
    for address in ("127.0.0.2", "::1"):
        with pytest.raises(OSError, match=r"\w"):
            socket.create_connection((address, port), 3)


@pytest.mark.parametrize("headers", [{"Host": "rebound.example"}, {"Origin": "https://a.example"}])
def test_a_web_page_of_another_origin_drives_nothing(
    world: RunningWorld, headers: dict[str, str]
) -> None:
    trusted = ssl.create_default_context(cafile=str(world.world.ca_bundle))
    url = f"https://{world.world.simulator_host}/simulator/failures"
    answer = httpx.post(url, json={"failure": "slow"}, headers=headers, verify=trusted)
    assert answer.status_code == 403
    assert world.simulator("GET", "failures")["rules"] == []


def test_a_world_with_the_real_provider_has_no_failures_on_demand() -> None:
    with folder() as path:
        real = structs.replace(prepare(path, "127.0.0.1", 0), provider="fal", pid=os.getpid())
        real.save()
        for arguments in ((), ("list",), ("clear",), ("slow",)):
            done = darkroom(path, "simulate", *arguments)
            assert (done.returncode, done.stdout) == (4, ""), done.stderr
            assert "real provider" in done.stderr


def test_a_simulator_that_is_gone_is_said() -> None:
    with folder() as path:
        structs.replace(prepare(path, "127.0.0.1", 0), provider="simulator", pid=os.getpid()).save()
        done = darkroom(path, "simulate")
        assert (done.returncode, done.stdout) == (5, "")
        assert "does not answer" in done.stderr


def test_every_line_of_the_guide_works(
    world: RunningWorld, failing: httpx.Client, tmp_path: Path
) -> None:
    del failing
    text = (ROOT / "docs" / "guides" / "failures.md").read_text()
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 2
    programs = {"darkroom": "-m cli", "python3": ""}
    if shutil.which("curl") is None:
        programs["curl"] = f'"{CURL}"'
    for name, arguments in programs.items():
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n')
        program.chmod(0o755)
    done = subprocess.run(
        ["bash", "-c", "set -euo pipefail\n" + "\n".join(blocks)],
        cwd=tmp_path,
        env={
            **os.environ,
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "DARKROOM_DATA_DIR": str(world.path),
        },
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert world.simulator("GET", "failures")["rules"] == []
