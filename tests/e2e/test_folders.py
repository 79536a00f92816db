"""One world, one folder: a second process is refused, a kill is survived, any path will do."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli.folder_lock import CHILDREN_FILE, LOCK_FILE
from tests.support.servers import folder
from tests.support.waiting import eventually
from tests.support.worlds import RunningWorld, create, running_world, until_ended

pytestmark = pytest.mark.same_on_any_database

ODD_NAME = "a space, \"quotes\" and 'more', größe-日本, $HOME #1 50%41 a?b&c"
PROMPT = "a prompt that must not be readable anywhere"


def command(path: Path, name: str = "up") -> list[str]:
    port = ["--port", "0"] if name == "up" else []
    return [sys.executable, "-m", "cli", name, "--data-dir", str(path), *port]


def run(path: Path, name: str = "up") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(path, name), capture_output=True, text=True, check=False, timeout=60
    )


@contextmanager
def started(path: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(command(path), stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=120)


@pytest.mark.parametrize("name", ["up", "demo"])
def test_a_second_one_on_a_folder_is_refused_and_named_the_first(
    world: RunningWorld, name: str
) -> None:
    before = world.world
    done = run(world.path, name)
    assert done.returncode == 4
    assert f"process {world.process.pid} (" in done.stderr
    assert f"up --data-dir {world.path}" in done.stderr
    assert "Traceback" not in done.stderr
    assert world.world == before
    with world.client() as client:
        assert client.get("/health/ready").is_success


def test_of_two_at_the_same_instant_exactly_one_wins() -> None:
    with folder() as path, started(path) as one, started(path) as other:
        both = {one, other}

        def refused() -> list[subprocess.Popen[str]]:
            return [each for each in both if each.poll() is not None]

        (second,) = eventually(refused)
        (first,) = both - {second}
        assert second.wait() == 4
        assert second.stderr is not None
        assert f"process {first.pid} (" in second.stderr.read()
        eventually((path / "tokens.txt").exists)
        assert first.poll() is None


def test_after_a_kill_the_next_one_waits_for_the_orphans_and_loses_nothing() -> None:
    with running_world() as world:
        with world.client() as client:
            job = create(client)
            until_ended(client, job)
        broker = world.service_pid("nats-server")
        os.kill(broker, signal.SIGSTOP)  # An orphan that does not end at once.
        os.kill(world.process.pid, signal.SIGKILL)
        world.process.stop()
        with subprocess.Popen(command(world.path), stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            assert "of an earlier run are still ending" in process.stderr.readline()
            assert process.poll() is None
            os.kill(broker, signal.SIGCONT)
            assert "ready" in process.stderr.readline()
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=120)
        assert not Path(f"/proc/{broker}").exists()
        world.restart()
        with world.client() as client:
            assert client.get(f"/api/jobs/{job}").json()["status"] == "completed"
            assert until_ended(client, create(client))["status"] == "completed"


def test_a_world_starts_in_a_folder_of_any_name() -> None:
    with folder() as path:
        world = RunningWorld(_made(path / ODD_NAME), {})
        try:
            with world.client() as client:
                assert until_ended(client, create(client))["status"] == "completed"
            assert [each.name for each in path.iterdir()] == [ODD_NAME]
        finally:
            world.stop()


def _made(path: Path) -> Path:
    path.mkdir()
    return path


def test_everything_in_the_folder_is_for_its_owner_only() -> None:
    with folder() as parent:
        path = parent / "world"
        with started(path) as process:
            eventually((path / "tokens.txt").exists)
            assert process.poll() is None
            assert stat.S_IMODE(path.stat().st_mode) == 0o700
            found = [each for each in path.rglob("*") if not each.is_symlink()]
            open_to_others = [
                each for each in found if each.exists() and stat.S_IMODE(each.stat().st_mode) & 0o77
            ]
            names = {each.name for each in found}
            assert {LOCK_FILE, CHILDREN_FILE, "broker", "broker.log", "world.json"} <= names
            assert not open_to_others


def test_a_child_gets_its_own_settings_and_nobody_elses() -> None:
    environment = {"ANOTHER_SECRET": "s3cr3t-of-another", "DARKROOM_TOKEN": "dkr_x"}
    with running_world(**environment) as world:
        texts = {name: _environment(world, name) for name in ("nats-server", "simulator")}
        for service in ("projector", "dispatcher", "ingestor", "api"):
            texts[service] = _environment(world, f"services.{service}")
        passwords = world.world.passwords
        for name, text in texts.items():
            assert "s3cr3t-of-another" not in text, name
            assert "dkr_x" not in text, name
            assert "PATH=" in text, name
            known = {user for user, password in passwords.items() if password in text}
            allowed = passwords.keys() if name == "nats-server" else {name}
            assert known <= allowed, name
        assert "FAL_KEY=" in texts["dispatcher"]
        assert "SIMULATOR_" not in texts["dispatcher"]


def _environment(world: RunningWorld, name: str) -> str:
    return Path(f"/proc/{world.service_pid(name)}/environ").read_bytes().decode()


def test_the_simulators_journal_holds_no_prompt_and_a_restart_still_finishes() -> None:
    with running_world(SIMULATOR_SECONDS="3") as world, world.client() as client:
        job = create(client, PROMPT)
        eventually(lambda: client.get(f"/api/jobs/{job}").json()["status"] == "processing")
        os.kill(world.service_pid("simulator"), signal.SIGKILL)
        assert until_ended(client, job, 60)["status"] == "completed"
        for path in world.path.rglob("*"):
            if path.is_file():
                assert PROMPT.encode() not in path.read_bytes(), path


def test_a_child_that_never_comes_up_ends_it_with_the_childs_last_words() -> None:
    with folder() as path:
        (path / "broker").mkdir()
        (path / "broker" / "jetstream").write_text("in the way of the broker's store")
        done = run(path)
        assert done.returncode == 5, done.stderr
        assert "broker ended with 1; starting it again" in done.stderr
        assert "darkroom: broker does not come up; it ended with 1" in done.stderr
        assert "storage directory" in done.stderr.rpartition("broker does not come up")[2]
        assert "Traceback" not in done.stderr
        assert subprocess.run(["pgrep", "-f", str(path)], check=False).returncode == 1


def test_ctrl_c_while_it_starts_ends_it_and_leaves_no_process_behind() -> None:
    with folder() as path:
        process = subprocess.Popen(command(path), stderr=subprocess.PIPE, text=True)
        eventually((path / "logs" / "broker.log").exists)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
        assert process.returncode == 0
        assert subprocess.run(["pgrep", "-f", str(path)], check=False).returncode == 1
        assert not (path / "tokens.txt").exists()
