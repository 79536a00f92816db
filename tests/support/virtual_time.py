"""An event loop whose time is virtual: nobody really waits, and each run is the same."""

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any, TypeVar

from tests.support.examples import START

T = TypeVar("T")


class _Selector(selectors.SelectSelector):
    """Jumps to the next timer instead of sleeping until it."""

    elapsed = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if not ready and timeout is not None and timeout > 0:
            self.elapsed += timeout
        if not ready and timeout is None:
            raise RuntimeError("everybody waits for nothing")
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.elapsed

    def now(self) -> datetime:
        return START + timedelta(seconds=self.time())


def run(main: Coroutine[Any, Any, T], loop: VirtualLoop) -> T:
    """Run to the end; cancel what is left over."""
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(main)
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        asyncio.set_event_loop(None)
        loop.close()
