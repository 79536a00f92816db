"""Waiting until something is true, with a deadline and a reason when it does not become so."""

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any


def eventually(look: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Return the first true answer of `look`; fail with its last one when the time is up."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            raise _never(look, seconds, found)
        time.sleep(0.05)
    return found


async def until(look: Callable[[], Any], seconds: float = 60.0) -> Any:
    """The same on the loop's own time, which may be virtual. `look` may be a coroutine function."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + seconds
    while not (found := await _answer(look)):
        if clock() > deadline:
            raise _never(look, seconds, found)
        await asyncio.sleep(0.01)
    return found


async def _answer(look: Callable[[], Any]) -> Any:
    found = look()
    return await found if inspect.isawaitable(found) else found


def _never(look: Callable[[], Any], seconds: float, found: object) -> AssertionError:
    name = getattr(look, "__qualname__", repr(look))
    return AssertionError(f"{name} is not true after {seconds} s; its last answer was {found!r}")
