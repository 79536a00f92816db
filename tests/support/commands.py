"""Commands of the command line, each in a process of its own that is forked from one which has
loaded them all: loading takes a second of CPU, which hundreds of commands would pay again. They
start at `cli.__main__.run` and end as any other process does.
"""

import atexit
import functools
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path

BYTES_MAX = 16 * 1024**2
SECONDS_MAX = 120.0
_AT_ONCE_MAX = 64
_READ_WHILE_LOADING = {"DARKROOM_ENV_FILE"}  # adapters/settings.py reads that file at its import.
_starting = threading.Lock()


def run(*arguments: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run `darkroom` with these arguments, in exactly this environment, to its end."""
    if environment.keys() & _READ_WHILE_LOADING:
        return _run_anew(arguments, environment)
    with (
        tempfile.TemporaryFile() as stdout,
        tempfile.TemporaryFile() as stderr,
        socket.socket(socket.AF_UNIX) as asked,
    ):
        asked.settimeout(SECONDS_MAX)
        with _starting:
            asked.connect(_started())
        socket.send_fds(asked, [b"!"], [stdout.fileno(), stderr.fileno()])
        asked.sendall(json.dumps([arguments, dict(environment)]).encode())
        asked.shutdown(socket.SHUT_WR)
        code = int(asked.recv(10))
        texts = [os.pread(each.fileno(), BYTES_MAX, 0).decode() for each in (stdout, stderr)]
    return subprocess.CompletedProcess(arguments, code, *texts)


def _run_anew(
    arguments: tuple[str, ...], environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli", *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS_MAX,
    )


@functools.cache
def _started() -> str:
    """Start the process that all others are forked from; return where it listens."""
    folder = tempfile.TemporaryDirectory(prefix="darkroom-commands-")
    address = str(Path(folder.name) / "socket")
    command = [sys.executable, "-m", "tests.support.commands", address]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert server.stdout is not None
    assert server.stdout.readline() == b"listening\n"

    def stop() -> None:
        server.communicate(timeout=SECONDS_MAX)  # It ends with its stdin.
        folder.cleanup()

    atexit.register(stop)
    return address


def _load() -> None:
    from cli.commands import COMMANDS  # noqa: PLC0415 - only the server needs them.

    for name in COMMANDS:
        importlib.import_module(f"cli.{name}")


def _serve(listening: socket.socket) -> socket.socket:
    """Fork a process for each connection. Return in that process, with its connection."""
    while True:
        readable, _, _ = select.select([listening, sys.stdin], [], [])
        if sys.stdin in readable:
            os._exit(0)
        connection, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            return connection
        connection.close()


def _become_command(connection: socket.socket) -> None:
    """Fork once more: the child becomes the command, we report how it ended."""
    _, descriptors, _, _ = socket.recv_fds(connection, 1, 2)
    arguments, environment = json.load(connection.makefile("rb"))
    command = os.fork()
    if command:
        code = os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])
        connection.sendall(str(code).encode())
        os._exit(0)
    connection.close()
    for number, descriptor in enumerate(descriptors, start=1):
        os.dup2(descriptor, number)
        os.close(descriptor)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["darkroom", *arguments]


def main() -> None:
    _load()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # Nobody waits for those that report.
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(sys.argv[1])
    listening.listen(_AT_ONCE_MAX)
    print("listening", flush=True)
    connection = _serve(listening)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _become_command(connection)

    from cli.__main__ import run as run_command  # noqa: PLC0415 - as late as a command does.

    run_command()


if __name__ == "__main__":
    main()
