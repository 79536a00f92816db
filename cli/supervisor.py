"""The supervisor: starts the world's processes, restarts one that dies, stops all of them."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO

from msgspec import Struct

STOP_SECONDS = 8.0
RESTART_SECONDS = 0.5
RESTART_SECONDS_MAX = 10.0
HEALTHY_SECONDS = 2.0  # Who lived so long is started again at once; who did not waits longer.
LOG_BYTES_MAX = 20 * 1024 * 1024
_PR_SET_PDEATHSIG = 1

Tell = Callable[[str], None]


class Program(Struct, frozen=True):
    name: str
    command: list[str]
    environment: dict[str, str]


class Supervisor:
    """`log_folder` None lets the processes write to our own stderr."""

    def __init__(self, tell: Tell, log_folder: Path | None) -> None:
        self.pids: dict[str, int] = {}
        self._tell = tell
        self._log_folder = log_folder
        self._stopping = False
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._watchers: dict[str, asyncio.Task[None]] = {}

    async def start(self, program: Program) -> None:
        self._processes[program.name] = await self._spawn(program)
        self._watchers[program.name] = asyncio.create_task(self._watch(program))

    async def stop(self) -> None:
        """Stop the latest started first, each with time to drain; the broker goes last."""
        self._stopping = True
        names = list(reversed(self._processes))
        services = [name for name in names if name != "broker"]
        await asyncio.gather(*(self._stop(name) for name in services))
        if "broker" in self._processes:
            await self._stop("broker")
        for watcher in self._watchers.values():
            watcher.cancel()
        await asyncio.gather(*self._watchers.values(), return_exceptions=True)

    async def _spawn(self, program: Program) -> asyncio.subprocess.Process:
        with contextlib.ExitStack() as stack:
            output = self._log_file(program.name, stack)
            process = await asyncio.create_subprocess_exec(
                *program.command,
                env={**os.environ, **program.environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        self.pids[program.name] = process.pid
        return process

    def _log_file(self, name: str, stack: contextlib.ExitStack) -> IO[bytes] | None:
        if self._log_folder is None:
            return None
        self._log_folder.mkdir(parents=True, exist_ok=True)
        path = self._log_folder / f"{name}.log"
        too_large = path.exists() and path.stat().st_size > LOG_BYTES_MAX
        return stack.enter_context(path.open("wb" if too_large else "ab"))

    async def _watch(self, program: Program) -> None:
        pause = RESTART_SECONDS
        clock = asyncio.get_running_loop().time
        while True:
            started_at = clock()
            code = await self._processes[program.name].wait()
            if self._stopping:
                return
            pause = RESTART_SECONDS if clock() - started_at > HEALTHY_SECONDS else pause
            self._tell(f"{program.name} ended with {code}; starting it again in {pause:g} s")
            await asyncio.sleep(pause)
            pause = min(pause * 2, RESTART_SECONDS_MAX)
            self._processes[program.name] = await self._spawn(program)

    async def _stop(self, name: str) -> None:
        process = self._processes[name]
        if process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            self._tell(f"{name} did not stop in {STOP_SECONDS:g} s; killing it")
            process.kill()
            await process.wait()


def _die_with_parent() -> None:
    """On Linux a child ends with us even if we are killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
