"""Every command of the command line, refused, unreachable or without a world: lines, no traceback.

Whatever goes wrong, there is something to read on stderr, nothing else on it, and an exit code.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import pytest

from cli.commands import main
from cli.readiness import cpu_seconds
from cli.world import free_port, prepare
from tests.support.servers import folder
from tests.support.waiting import eventually
from tests.support.worlds import RunningWorld, darkroom

pytestmark = pytest.mark.same_on_any_database  # None of it is about rows.

AT_ONCE = 4
NOISE = ("Traceback", "never retrieved", "was destroyed", "never awaited", 'File "')
ACCOUNT = ("--account", "demo")
NO_WORLD_NEEDED = {"up", "demo", "doctor", "config show", "completions"}
NO_FOLDER = {"completions"}
# Each command with arguments that the world refuses, and the exit code of that.
REFUSED: dict[str, tuple[tuple[str, ...], int]] = {
    "tokens issue": (("--account", "not an id"), 2),
    "tokens list": (("--account", "not an id"), 2),
    "tokens revoke": (("no-such-token",), 3),
    "credits grant": ((*ACCOUNT, "--amount", "-5", "--reason", "r"), 4),
    "credits revoke": ((*ACCOUNT, "--amount", "1000000", "--reason", "r"), 4),
    "credits show": (("--account", "not an id"), 2),
    "credits entries": (("--account", "not an id"), 2),
    "jobs create": (("p", "--kind", "no-such-kind"), 4),
    "jobs list": (("--status", "no-such-status"), 4),
    "jobs show": (("no-such-job",), 3),
    "jobs watch": (("no-such-job",), 3),
    "jobs cancel": (("no-such-job",), 3),
    "jobs retry": (("no-such-job",), 3),
    "jobs delete": (("no-such-job",), 3),
    "runs create": (("a b", "--intake", "coral reefs"), 4),
    "runs list": (("--account", "not an id"), 2),
    "runs show": (("no-such-run",), 3),
    "runs cancel": (("no-such-run",), 3),
    "runs retry": (("no-such-project",), 3),
    "runs text": (("no-such-project", "2"), 3),
    "webhooks list": (("--no-such-option",), 2),
    "webhooks show": (("no-such-endpoint",), 3),
    "webhooks create": (("ftp://a",), 4),
    "webhooks change": (("no-such-endpoint", "--disabled"), 3),
    "webhooks deliveries": (("no-such-endpoint",), 3),
    "webhooks resend": (("no-such-endpoint", "no-such-delivery"), 3),
    "webhooks rotate": (("no-such-endpoint",), 3),
    "webhooks remove": (("no-such-endpoint",), 3),
    "events list": (("--since", "yesterday"), 2),
    "events show": (("999999999",), 3),
    "events tail": (("--after", "no cursor"), 2),
    "parked list": (("--no-such-option",), 2),
    "simulate": (("no_such_failure",), 2),
    "parked show": (("999999",), 3),
    "parked replay": (("999999",), 3),
    "parked discard": (("999999", "--reason", "r"), 3),
    "projections status": (("--no-such-option",), 2),
    "projections rebuild": (("--no-such-option",), 2),
    "broker setup": (("--replicas", "2"), 2),
    "config show": (("--no-such-option",), 2),
    "doctor": (("--no-such-option",), 2),
    "up": (("--port", "99999"), 2),
    "demo": (("--kind", "no-such-kind"), 2),
    "completions": (("no-such-shell",), 2),
}
ALLOWED: dict[str, tuple[str, ...]] = dict.fromkeys(
    ("events list", "parked list", "broker setup", "events tail", "projections status"), ()
) | {"projections rebuild": ("--yes",)}


def leaves(group: click.Command, path: tuple[str, ...] = ()) -> Iterator[str]:
    if not isinstance(group, click.Group):
        yield " ".join(path)
        return
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield from leaves(command, (*path, name))


def test_the_table_has_every_command() -> None:
    assert set(leaves(main)) == REFUSED.keys()


def without_a_folder(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def run_all(
    cases: dict[str, tuple[str, ...]], path: Path, **environment: str
) -> dict[str, subprocess.CompletedProcess[str]]:
    def one(name: str) -> subprocess.CompletedProcess[str]:
        if name in NO_FOLDER:
            return without_a_folder(*name.split(), *cases[name])
        return darkroom(path, *name.split(), *cases[name], **environment)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(cases, pool.map(one, cases), strict=True))


def check(done: dict[str, subprocess.CompletedProcess[str]], codes: dict[str, int]) -> None:
    for name, each in done.items():
        report = f"{name}: exit {each.returncode}\n{each.stderr}"
        assert each.returncode == codes[name], report
        assert each.stderr.strip(), report
        assert not any(noise in each.stderr for noise in NOISE), report


def with_good_arguments() -> dict[str, tuple[str, ...]]:
    """Arguments that are refused by nothing but the world that is not there."""
    plain = {name: arguments for name, (arguments, _) in REFUSED.items()}
    plain |= ALLOWED | dict.fromkeys(("tokens list", "jobs list", "webhooks list"), ())
    of_accounts = ("tokens issue", "credits show", "credits entries", "runs list")
    plain |= dict.fromkeys(of_accounts, ACCOUNT)
    return {name: plain[name] for name in REFUSED.keys() - NO_WORLD_NEEDED}


def test_what_a_world_refuses_is_told_in_lines(world: RunningWorld) -> None:
    done = run_all(
        {name: arguments for name, (arguments, _) in REFUSED.items()},
        world.path,
        **world.environment,
    )
    check(done, {name: code for name, (_, code) in REFUSED.items()})


def test_the_demo_accounts_token_goes_to_its_own_world_only(world: RunningWorld) -> None:
    elsewhere = darkroom(world.path, "jobs", "list", DARKROOM_URL="http://127.0.0.1:9")
    check({"elsewhere": elsewhere}, {"elsewhere": 2})
    assert "--token" in elsewhere.stderr
    assert darkroom(world.path, "jobs", "list", DARKROOM_URL=world.url).returncode == 0


def test_a_kind_without_a_prompt_is_asked_for_by_its_input(world: RunningWorld) -> None:
    given = ("name=Dursley", "character_id=dursley-cli", "description=hardly any neck")
    inputs = [each for one in given for each in ("--field", one)]
    done = darkroom(world.path, "jobs", "create", "--kind", "character_image", *inputs)
    assert done.returncode == 0, done.stderr


def test_entries_have_times_that_people_read(world: RunningWorld) -> None:
    (entry,) = (world.cli("credits", "entries", *ACCOUNT, "--limit", "1", "--json"),)
    assert entry["at"].endswith("Z")


def test_a_reader_that_has_had_enough_is_no_error(world: RunningWorld) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "cli", "events", "list", "--data-dir", str(world.path)]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False, timeout=120)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_file_of_settings_that_cannot_be_read_is_told() -> None:
    with folder() as path:
        (path / "env").write_bytes("DARKROOM_PORT=1".encode("utf-16"))
        environment = {"DARKROOM_ENV_FILE": str(path / "env")}
        done = run_all(
            {"config show": (), "up": (), "jobs list": ()}, path / "world", **environment
        )
    check(done, {"config show": 2, "up": 2, "jobs list": 5})


def test_the_provider_itself_needs_a_key_at_once() -> None:
    with folder() as path:
        done = run_all({"up": ("--port", "0"), "demo": ()}, path / "world", PROVIDER="fal")
        check(done, {"up": 2, "demo": 2})
        assert not (path / "world").exists()


@pytest.mark.parametrize("seconds", [0.1, 0.3, 0.6, 60.0])
def test_ctrl_c_leaves_no_traceback_at_any_moment(seconds: float) -> None:
    with folder() as path:
        command = [sys.executable, "-m", "cli", "up", "--port", "0", "--data-dir", str(path / "w")]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

        def moment_has_come() -> bool:
            """By its own CPU time, however busy the machine is; afterwards it mostly waits."""
            return cpu_seconds(process.pid) >= seconds or (path / "w" / "logs").exists()

        eventually(moment_has_come)  # While it is loaded, sets up, starts the others.
        process.send_signal(signal.SIGINT)
        report = process.communicate(timeout=120)[1]
    assert process.returncode in {-signal.SIGINT, 0, 130}, report
    assert not any(noise in report for noise in (*NOISE, "Aborted")), report


def test_without_a_world_every_command_says_so() -> None:
    cases = with_good_arguments()
    with folder() as path:
        done = run_all(cases, path)
    check(done, dict.fromkeys(cases, 5))
    said = f"no world is running in {path}"
    assert all(said in each.stderr and "--data-dir" in each.stderr for each in done.values())


def test_a_broker_and_a_front_door_that_do_not_answer_are_told() -> None:
    cases = with_good_arguments()
    away = {
        "NATS_URL": f"nats://somebody:s3cr3t@127.0.0.1:{free_port()}",
        "DARKROOM_URL": f"http://127.0.0.1:{free_port()}",
        "DARKROOM_TOKEN": "dkr_of_another_world",
    }
    with folder() as path:
        done = run_all(cases, path, **away)
    check(done, dict.fromkeys(cases, 5))
    assert not any("s3cr3t" in each.stderr for each in done.values())


@pytest.mark.parametrize("process", ["this one's", "none"])
def test_a_world_that_was_killed_is_told(process: str) -> None:
    """Its file still says that it runs; its process id may be another's by now."""
    commands = ("credits show", "events list", "jobs list", "broker setup")
    cases = {name: with_good_arguments()[name] for name in commands}
    with folder() as path:
        world = prepare(path, "127.0.0.1", 0)
        world.pid = os.getpid() if process == "this one's" else 2**22 - 1
        world.save()
        done = run_all(cases, path)
        check(done, dict.fromkeys(cases, 5))
        check(run_all({"doctor": ()}, path), {"doctor": 6})


def test_wrong_settings_are_all_told_before_anything_is_made() -> None:
    wrong = {"JOB_DEADLINE_SECONDS": "-5", "PROVIDER": "falai", "FAL_WEBHOKS": "signed"}
    with folder() as parent:
        path = parent / "world"
        done = run_all({"up": ("--port", "0"), "demo": (), "config show": ()}, path, **wrong)
        check(done, dict.fromkeys(done, 2))
        for each in done.values():
            assert all(name in each.stderr for name in wrong)
        assert not path.exists()


def test_a_folder_that_cannot_be_written_is_a_usage_error() -> None:
    with folder() as path:
        (path / "file").write_text("no folder")
        done = run_all({"up": (), "demo": ()}, path / "file" / "world")
        check(done, {"up": 2, "demo": 2})


def test_a_host_for_others_needs_to_be_told_its_origin() -> None:
    with folder() as path:
        done = run_all({"up": ("--host", "0.0.0.0", "--port", "0")}, path)
    check(done, {"up": 2})
    assert "SITE_URL" in done["up"].stderr


def test_config_show_has_every_setting_in_force_and_no_secret() -> None:
    secret = "s3cr3t"
    given = {"FAL_KEY": secret, "NATS_URL": f"nats://u:{secret}@127.0.0.1:4222"}
    with folder() as path:
        done = run_all({"config show": ("--json",)}, path, RECONCILE_EVERY_SECONDS="7", **given)
    shown = done["config show"].stdout
    assert secret not in shown
    for name in ("nats_url", "database_url", "reconcile_every_seconds", "create_wait_seconds"):
        assert f'"{name}":' in shown
    assert '"reconcile_every_seconds":7.0' in shown
    assert '"nats_url":"nats://***@127.0.0.1:4222"' in shown
