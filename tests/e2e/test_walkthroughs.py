"""The walk-throughs in docs/guides: their shell lines, run as they stand."""

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from adapters.settings import load
from services.dispatcher.settings import DispatcherSettings
from simulator.settings import SimulatorSettings
from tests.support.worlds import RunningWorld

pytestmark = pytest.mark.same_on_any_database

GUIDES = Path(__file__).parent.parent.parent / "docs" / "guides"
DEFAULT_SECONDS = SimulatorSettings().simulator_seconds
GUIDES_PORT = "9999"  # Where the guide to webhooks listens; a test has a port of its own.
STAND_IN = Path(__file__).parent.parent / "support" / "curl.py"


@pytest.mark.usefixtures("client")
@pytest.mark.parametrize("name", ["infographs", "funnels", "characters", "webhooks"])
def test_every_line_of_the_walk_through_works(
    world: RunningWorld, hooks_port: int, tmp_path: Path, name: str
) -> None:
    if name in {"funnels", "webhooks"}:
        world.simulator("POST", "seconds", DEFAULT_SECONDS)  # As in a world that is just started.
    text = (GUIDES / f"{name}.md").read_text().replace(GUIDES_PORT, str(hooks_port))
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    assert len(blocks) > 2
    script = "set -euo pipefail\n" + "\n".join(blocks)
    try:
        code, output = _run(script, tmp_path, {**os.environ, **_environment(world, tmp_path)})
    finally:
        world.simulator("POST", "seconds", float(world.environment["SIMULATOR_SECONDS"]))
    assert code == 0, output[-4000:]


def _run(script: str, folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    """Run it to its end; end whatever it has left running, too."""
    with (folder / "output.txt").open("w") as output:
        shell = subprocess.Popen(
            ["bash", "-c", script],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        code = shell.wait(timeout=180)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)
        shell.wait()
    return code, (folder / "output.txt").read_text()


def test_the_guide_to_webhooks_starts_a_world_that_may_send_them() -> None:
    first = re.search(r"```\n(.*) make up\n```", (GUIDES / "webhooks.md").read_text())
    assert first is not None
    name, _, value = first[1].partition("=")
    settings = load(DispatcherSettings, {name: value})
    assert settings.webhook_hosts == {f"127.0.0.1:{GUIDES_PORT}"}


def _environment(world: RunningWorld, folder: Path) -> dict[str, str]:
    """Where there is no curl, a small stand-in reads the same options."""
    found = {"URL": world.url, "TOKEN": world.world.tokens["user"]}
    programs = folder / "programs"
    programs.mkdir()
    (programs / "python3").symlink_to(sys.executable)
    if shutil.which("curl") is None:
        curl = programs / "curl"
        curl.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STAND_IN}" "$@"\n')
        curl.chmod(0o755)
    return {**found, "PATH": f"{programs}:{os.environ['PATH']}"}


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
