"""The supervisor: starts the world's processes, restarts one that dies, stops all of them."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from cli import log_files
from cli.output import USAGE

STOP_SECONDS = 8.0
RESTART_SECONDS = 0.5
RESTART_SECONDS_MAX = 10.0
HEALTHY_SECONDS = 2.0  # A process that ran for less is restarted after an ever longer pause.
ENDS_MAX = 3  # How often one program may end before the world is up.
ROTATE_SECONDS = 1.0
_PR_SET_PDEATHSIG = 1

Tell = Callable[[str], None]


class NeverUp(Exception):
    """A program of the world ends each time that it is started."""


class Program(Struct, frozen=True):
    """`environment` is the whole one of the process; `stop_seconds` its time to finish its work."""

    name: str
    command: list[str]
    environment: dict[str, str]
    stop_seconds: float = STOP_SECONDS


class Supervisor:
    """`inherited` are descriptors that every process keeps open as long as it lives."""

    def __init__(self, tell: Tell, log_folder: Path, inherited: tuple[int, ...] = ()) -> None:
        self.pids: dict[str, int] = {}
        self.failure = ""  # Why the world will not come up, as soon as that is certain.
        self._tell = tell
        self._log_folder = log_folder
        self._inherited = inherited
        self._is_up = False
        self._stopping = False
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._log_starts: dict[str, int] = {}
        self._stop_seconds: dict[str, float] = {}
        self._watchers: dict[str, asyncio.Task[None]] = {}
        self._rotating = asyncio.create_task(self._rotate())

    async def start(self, program: Program) -> None:
        self._stop_seconds[program.name] = program.stop_seconds
        self._processes[program.name] = await self._spawn(program)
        self._watchers[program.name] = asyncio.create_task(self._watch(program))

    def note_up(self) -> None:
        """Take note that the world is up: from now on a process that ends is always restarted."""
        self._is_up = True

    def check(self) -> None:
        """Raise NeverUp when waiting for the world is of no use."""
        if self.failure:
            raise NeverUp(self.failure)

    async def stop(self) -> None:
        """Stop all services, each with time to finish its work, and then the broker."""
        self._stopping = True
        names = list(reversed(self._processes))
        services = [name for name in names if name != "broker"]
        await asyncio.gather(*(self._stop(name) for name in services))
        if "broker" in self._processes:
            await self._stop("broker")
        loose = (*self._watchers.values(), self._rotating)
        for task in loose:
            task.cancel()
        await asyncio.gather(*loose, return_exceptions=True)

    async def _spawn(self, program: Program) -> asyncio.subprocess.Process:
        output, start = log_files.open_log(self._log_folder, program.name)
        try:
            process = await asyncio.create_subprocess_exec(
                *program.command,
                env=program.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                pass_fds=self._inherited,
                preexec_fn=_die_with_parent,
            )
        finally:
            os.close(output)
        self._log_starts[program.name] = start
        self.pids[program.name] = process.pid
        return process

    async def _watch(self, program: Program) -> None:
        pause, ends = RESTART_SECONDS, 0
        clock = asyncio.get_running_loop().time
        while True:
            started_at = clock()
            code = await self._processes[program.name].wait()
            if self._stopping:
                return
            pause = RESTART_SECONDS if clock() - started_at > HEALTHY_SECONDS else pause
            ends += 1
            words = self._last_words(program.name)
            # A wrong setting stays wrong: starting again would not help.
            if not self._is_up and (code == USAGE or ends >= ENDS_MAX):
                self.failure = f"{program.name} does not come up; it {_ended(code)}{words}"
                return
            self._tell(f"{program.name} {_ended(code)}; starting it again in {pause:g} s{words}")
            await asyncio.sleep(pause)
            pause = min(pause * 2, RESTART_SECONDS_MAX)
            self._processes[program.name] = await self._spawn(program)

    def _last_words(self, name: str) -> str:
        words = log_files.last_words(self._log_folder, name, self._log_starts[name])
        return "".join(f"\n  {name}: {line}" for line in words.splitlines())

    async def _rotate(self) -> None:
        while True:
            await asyncio.sleep(ROTATE_SECONDS)
            for name in self._processes:
                with contextlib.suppress(OSError):  # On a full disk. The next try may succeed.
                    log_files.rotate(self._log_folder, name)

    async def _stop(self, name: str) -> None:
        process = self._processes[name]
        if process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        seconds = self._stop_seconds[name]
        try:
            async with asyncio.timeout(seconds):
                await process.wait()
        except TimeoutError:
            self._tell(f"{name} did not stop in {seconds:g} s; killing it")
            process.kill()
            await process.wait()


def _ended(code: int) -> str:
    return f"ended with {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"


def _die_with_parent() -> None:
    """Let the child end with us even if we are killed, which Linux can do."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
