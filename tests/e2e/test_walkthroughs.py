"""The walk-throughs in docs/guides: their shell lines, run as they stand."""

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from adapters.settings import load
from cli.world import free_port
from services.dispatcher.settings import DispatcherSettings
from simulator.settings import SimulatorSettings
from tests.support.servers import postgresql, s3_with_conditions
from tests.support.worlds import RunningWorld

pytestmark = pytest.mark.same_on_any_database

ROOT = Path(__file__).parent.parent.parent
GUIDES = ROOT / "docs" / "guides"
DEFAULT_SECONDS = SimulatorSettings().simulator_seconds
GUIDES_PORT = "9999"  # Where the guide to webhooks listens; a test has a port of its own.
SCRIPT_SECONDS_MAX = 600
STAND_IN = Path(__file__).parent.parent / "support" / "curl.py"


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize("name", ["infographs", "funnels", "characters", "webhooks"])
def test_every_line_of_the_walk_through_works(
    world: RunningWorld, hooks_port: int, tmp_path: Path, name: str
) -> None:
    if name in {"funnels", "webhooks"}:
        world.simulator("POST", "seconds", DEFAULT_SECONDS)  # As in a world that is just started.
    script = _script_of(name).replace(GUIDES_PORT, str(hooks_port))
    try:
        code, output = _run(script, tmp_path, _environment(world, tmp_path))
    finally:
        world.simulator("POST", "seconds", float(world.environment["SIMULATOR_SECONDS"]))
    assert code == 0, output[-4000:]


def test_the_guide_to_webhooks_starts_a_world_that_may_send_them() -> None:
    first = re.search(r"```\n(.*) make up\n```", (GUIDES / "webhooks.md").read_text())
    assert first is not None
    name, _, value = first[1].partition("=")
    settings = load(DispatcherSettings, {name: value})
    assert settings.webhook_hosts == {f"127.0.0.1:{GUIDES_PORT}"}


def _environment(world: RunningWorld, folder: Path) -> dict[str, str]:
    found = {"URL": world.url, "TOKEN": world.world.tokens["user"]}
    return {**found, "PATH": f"{_programs(folder)}:{os.environ['PATH']}"}


def _programs(folder: Path) -> Path:
    """Make a folder of programs. Where there is no curl, a small stand-in reads its options."""
    programs = folder / "programs"
    programs.mkdir()
    (programs / "python3").symlink_to(sys.executable)
    if shutil.which("curl") is None:
        curl = programs / "curl"
        curl.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STAND_IN}" "$@"\n')
        curl.chmod(0o755)
    return programs


def test_every_line_from_the_demo_to_production_works(tmp_path: Path) -> None:
    """A real broker with its users, PostgreSQL and an S3 server, the four services as processes."""
    script = _script_of("production")
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parent.parent)
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    ports = ("BROKER_PORT", "DARKROOM_PORT", "INGESTOR_PORT", "SIMULATOR_PORT")
    environment = {name: str(free_port()) for name in ports}
    environment["SITE_URL"] = f"http://127.0.0.1:{environment['DARKROOM_PORT']}"
    environment |= {"PYTHONPATH": str(ROOT), "SIMULATOR_SECONDS": "0.2"}
    environment["PATH"] = f"{_programs(tmp_path)}:{os.environ['PATH']}"
    with postgresql() as database, s3_with_conditions() as s3:
        environment |= {"DATABASE_URL": database, "STORAGE_URL": "s3://bucket/darkroom"}
        environment |= {
            "S3_ENDPOINT_URL": s3,
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "s",
        }
        code, output = _run(script, tmp_path, environment)
        files = httpx.get(f"{s3}/bucket").text
    logs = "".join(path.read_text()[-2000:] for path in tmp_path.glob("*.log"))
    assert code == 0, output[-4000:] + logs
    assert "status: completed" in output
    assert "darkroom/artifacts/" in files
    assert "darkroom_http_answers_total" in output
    left = subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, check=False)
    assert not left.stdout


def _script_of(name: str) -> str:
    blocks = re.findall(r"```sh\n(.*?)```", (GUIDES / f"{name}.md").read_text(), re.DOTALL)
    assert len(blocks) > 2
    return "\n".join(blocks)


def _run(script: str, where: Path, environment: dict[str, str]) -> tuple[int, str]:
    """Run it to its end; end whatever it has left running, too."""
    with (where / "output.txt").open("w") as output:
        shell = subprocess.Popen(
            ["bash", "-c", f"set -euo pipefail\n{script}"],
            cwd=where,
            env={**os.environ, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        code = shell.wait(timeout=SCRIPT_SECONDS_MAX)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)
        shell.wait()
    return code, (where / "output.txt").read_text()


def test_the_stand_in_for_curl_reads_the_same_options(world: RunningWorld, tmp_path: Path) -> None:
    """Held to what the walk-throughs use, so that it works where there is no curl."""
    token = world.world.tokens["user"]
    header = f"Authorization: Token {token}"

    def curl(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(STAND_IN), *arguments]
        return subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
        )

    assert '"available"' in curl("-sf", "-H", header, f"{world.url}/api/credits").stdout
    assert curl("-sf", f"{world.url}/api/credits").returncode == 22
    assert "unauthorized" in curl("-s", f"{world.url}/api/credits").stdout
    body = curl("-s", "-H", header, "-d", "{", f"{world.url}/api/jobs").stdout
    assert "unparsable" in body
    assert curl("-sf", "-X", "POST", "-H", header, f"{world.url}/api/stream-tickets").stdout
    assert curl("-sf", "-o", "kept", "-H", header, f"{world.url}/api/credits").stdout == ""
    assert '"available"' in (tmp_path / "kept").read_text()
    streamed = curl("-sN", "--max-time", "1", "-H", header, f"{world.url}/api/stream")
    assert streamed.stdout.startswith("retry:")
    assert streamed.returncode == 28
