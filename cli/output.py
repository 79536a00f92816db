"""Output: data on stdout, progress on stderr, exit codes as the contract says."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import wraps
from typing import Any, NoReturn, ParamSpec

import click
import msgspec

from adapters import telemetry

OK, FAILED, USAGE, NOT_FOUND, REFUSED, DEPENDENCY_DOWN, DIFFERENCES = range(7)
INTERRUPTED = 130
CANCELLATIONS_MAX = 3

# By name, so that no command imports what only another one needs.
_EXIT_CODES = {
    "NoWorld": DEPENDENCY_DOWN,
    "NotReady": DEPENDENCY_DOWN,
    "LogUnavailable": DEPENDENCY_DOWN,
    "DatabaseUnavailable": DEPENDENCY_DOWN,
    "NotThereYet": DEPENDENCY_DOWN,
    "TransportError": DEPENDENCY_DOWN,
    "NoServersError": DEPENDENCY_DOWN,
    "TimeoutError": DEPENDENCY_DOWN,
    "BadSetting": USAGE,
    "BadId": USAGE,
    "PortTaken": USAGE,
    "Refused": REFUSED,
}

P = ParamSpec("P")

json_option = click.option("--json", "as_json", is_flag=True, help="Compact JSON on stdout.")
data_dir_option = click.option(
    "--data-dir",
    envvar="DARKROOM_DATA_DIR",
    default=".darkroom",
    show_default=True,
    type=click.Path(file_okay=False),
    help="The folder of the embedded world.",
)


def say(text: str) -> None:
    """Tell the operator something that is not data."""
    click.echo(text, err=True)


def show(document: Any, *, as_json: bool) -> None:
    """Print one document: compact JSON, or `name: value` lines."""
    if as_json:
        click.echo(msgspec.json.encode(document).decode())
        return
    for name, value in dict(document).items():
        click.echo(f"{name}: {_plain(value)}")


def show_all(rows: Iterable[Mapping[str, Any]], *, as_json: bool) -> None:
    """Print rows: one compact JSON object a line, or values in columns."""
    for row in rows:
        if as_json:
            click.echo(msgspec.json.encode(row).decode())
        else:
            click.echo("  ".join(_plain(value) for value in row.values()))


def stop_with(code: int, text: str) -> NoReturn:
    say(text)
    sys.exit(code)


def runs(command: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """Run an async command; turn what can go wrong into one line and its exit code."""

    @wraps(command)
    def run(*arguments: P.args, **options: P.kwargs) -> None:
        telemetry.configure("cli", level="error", style="auto")
        try:
            asyncio.run(_awaited(command(*arguments, **options)))
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
        except Exception as error:
            code = exit_code_of(error)
            if code is None:
                raise
            stop_with(code, f"darkroom: {error_text(error)}")

    return run


async def _awaited(work: Awaitable[None]) -> None:
    """Do the work; Ctrl-C ends it, also where one cancellation was lost in a library's wait."""
    task = asyncio.ensure_future(work)
    interrupted = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupted.set)
    waiting = asyncio.ensure_future(interrupted.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if interrupted.is_set() and not task.done():
        for _ in range(CANCELLATIONS_MAX):
            task.cancel()
            await asyncio.wait({task}, timeout=1.0)
            if task.done():
                break
        raise KeyboardInterrupt
    task.result()


def exit_code_of(error: Exception) -> int | None:
    """Return the exit code of an expected error, None for a bug."""
    names = (kind.__name__ for kind in type(error).__mro__)
    return next((_EXIT_CODES[name] for name in names if name in _EXIT_CODES), None)


def error_text(error: Exception) -> str:
    detail = getattr(error, "detail", None)
    return str(detail or error or type(error).__name__)


def _plain(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, (dict, list)):
        return msgspec.json.encode(value).decode()
    return str(value)
