"""Background work: the loops of a process, which are restarted when they fail."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog
from prometheus_client import Counter

logger = structlog.get_logger()

FIRST_PAUSE_SECONDS = 0.5
PAUSE_SECONDS_MAX = 3.0  # Short, so that sweeps go on soon after a broker or database is back.
HEALTHY_SECONDS = 10.0  # A loop that has run for so long has recovered from its last failure.
REASON_CHARACTERS_MAX = 300
FAILURES = Counter("darkroom_loop_failures_total", "Failures of background loops", ["loop"])

Work = Callable[[], Awaitable[None]]


class Background:
    """Runs endless loops, and tasks whose result is not needed. A loop that fails is logged,
    counted, named in `troubles` (which the health answer shows) and restarted with back-off. It
    never ends its process.
    """

    def __init__(self) -> None:
        self._loops: list[asyncio.Task[None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._troubles: dict[str, str] = {}

    @property
    def troubles(self) -> tuple[str, ...]:
        """What is failing now, in words."""
        return tuple(f"{name} fails: {reason}" for name, reason in self._troubles.items())

    def keep(self, name: str, work: Work) -> None:
        """Run `work`, which is not meant to end, for as long as the process lives."""
        self._loops.append(asyncio.create_task(self._keep(name, work), name=name))

    def repeat(self, name: str, work: Work, seconds: float) -> None:
        """Do `work` again and again, with so much time between."""

        async def again() -> None:
            while True:
                await work()
                self._troubles.pop(name, None)
                await asyncio.sleep(seconds)

        self.keep(name, again)

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Do something once beside the caller. Its failure is logged and counted."""
        task = asyncio.create_task(self._once(name, work), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def end_loops(self) -> None:
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        self._loops.clear()

    async def drain(self, seconds: float) -> None:
        """Wait at most so long for the spawned tasks to end; then cancel the others."""
        if self._tasks:
            _, left = await asyncio.wait(self._tasks, timeout=seconds)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    async def _keep(self, name: str, work: Work) -> None:
        pause, loop = FIRST_PAUSE_SECONDS, asyncio.get_running_loop()
        while True:
            began_at = loop.time()
            healed = loop.call_later(HEALTHY_SECONDS, self._troubles.pop, name, None)
            try:
                await work()
                reason = "it ended by itself"
            except Exception as error:  # noqa: BLE001 - whatever it is, the loop goes on.
                reason = f"{type(error).__name__}: {error}"[:REASON_CHARACTERS_MAX]
            finally:
                healed.cancel()
            FAILURES.labels(name).inc()
            log = logger.warning if name in self._troubles else logger.error
            log("loop_failed", loop=name, reason=reason)
            self._troubles[name] = reason
            if loop.time() - began_at > HEALTHY_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            await asyncio.sleep(pause)
            pause = min(pause * 2, PAUSE_SECONDS_MAX)

    async def _once(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - the caller does not wait for it.
            FAILURES.labels(name).inc()
            logger.warning("task_failed", task=name, reason=repr(error)[:REASON_CHARACTERS_MAX])
