"""Running a service as a process: settings in, signals handled, exit codes as documented."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
import uvloop
from prometheus_client import start_http_server

from adapters import telemetry
from adapters.settings import BadSetting, CommonSettings, load

logger = structlog.get_logger()

EXIT_USAGE = 2

PRIVATE = 0o077  # Files that are written can be read by our own user only.

AnySettings = TypeVar("AnySettings", bound=CommonSettings)
Run = Callable[[AnySettings, asyncio.Event], Awaitable[None]]


def main(
    service: str, kind: type[AnySettings], run: Run[AnySettings], *, calls_provider: bool = False
) -> None:
    """Run one service until SIGTERM or SIGINT; a bad setting ends with a line and exit code 2."""
    os.umask(PRIVATE)
    try:
        settings = load(kind)
        settings.require_broker()
        if calls_provider:
            settings.require_provider()
    except BadSetting as error:
        for line in str(error).splitlines():
            print(f"darkroom {service}: {line}", file=sys.stderr)  # noqa: T201 - no log yet.
        sys.exit(EXIT_USAGE)
    telemetry.configure(service, level=settings.log_level, style=settings.log_format)
    if settings.metrics_port:
        start_http_server(settings.metrics_port, addr="127.0.0.1")
    _spare_the_collector()
    uvloop.run(_run_until_signalled(run, settings))


def _spare_the_collector() -> None:
    """Exclude what the imports made from garbage collection, and collect less often: requests make
    hardly any cycles, and looking for them at every 700th object costs some percent of the CPU.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


async def _run_until_signalled(run: Run[AnySettings], settings: AnySettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    logger.info("starting")
    await run(settings, stop)
    logger.info("stopped")


async def until(stop: asyncio.Event, *tasks: "asyncio.Task[None]") -> None:
    """Wait for the signal or the first task that ends, whose error is raised; then end all."""
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({stopped, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done() and not task.cancelled():
                task.result()
    finally:
        stopped.cancel()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
