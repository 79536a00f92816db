"""Output: data on stdout, progress on stderr, exit codes as the contract says."""

import asyncio
import os
import signal
import sys
import traceback
from collections.abc import Awaitable, Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn, ParamSpec

import click
import msgspec

from adapters import telemetry
from cli.tables import Row, Table, document_lines, table_for_stdout
from domain.text import clean_prose

PRIVATE = 0o077  # The files that we write are for our own user only.
OK, FAILED, USAGE, NOT_FOUND, REFUSED, DEPENDENCY_DOWN, DIFFERENCES = range(7)
INTERRUPTED = 130
CANCELLATIONS_MAX = 3

# By the exception's name, so that no command imports what only another one needs.
_UNREACHABLE = (
    *("NoWorld", "NotReady", "NeverUp", "LogUnavailable", "DatabaseUnavailable", "NotThereYet"),
    *("TransportError", "TimeoutError", "OSError", "nats.errors.Error"),
)
_EXIT_CODES = {
    **dict.fromkeys(_UNREACHABLE, DEPENDENCY_DOWN),
    **dict.fromkeys(("BadSetting", "BadId", "InvalidField", "PortTaken"), USAGE),
    **dict.fromkeys(("Refused", "FolderInUse", "LogTooOld"), REFUSED),
}

P = ParamSpec("P")
DATA_DIR = ".darkroom"

json_option = click.option("--json", "as_json", is_flag=True, help="Compact JSON on stdout.")
data_dir_option = click.option(
    "--data-dir",
    envvar="DARKROOM_DATA_DIR",
    default=DATA_DIR,
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder of the embedded world.",
)


def say(text: str) -> None:
    """Write to stderr what is not data. A terminal obeys nothing of it, whoever's words it has."""
    click.echo(clean_prose(text, len(text)), err=True)


def show(document: Any, *, as_json: bool) -> None:
    """Print one document: compact JSON, or `name: value` lines."""
    for line in [_json(document)] if as_json else document_lines(document):
        click.echo(line)


def show_all(
    rows: Sequence[Row], *, as_json: bool, columns: Sequence[str] = (), table: Table | None = None
) -> None:
    """Print rows: one compact JSON object a line, or a table with some of their columns. `table` is
    one that has begun already.
    """
    if not rows and not as_json:
        say("there are none")
    table = table or table_for_stdout(columns)
    for line in map(_json, rows) if as_json else table.lines(rows):
        click.echo(line)


class Stopped(Exception):
    """The command ends here, with an exit code and a line on stderr."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def stop_with(code: int, text: str) -> NoReturn:
    """End the command. Not by sys.exit, which would stop the event loop before its tasks end."""
    raise Stopped(code, text)


def runs(command: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """Run an async command; turn what can go wrong into lines on stderr and an exit code."""

    @wraps(command)
    def run(*arguments: P.args, **options: P.kwargs) -> None:
        os.umask(PRIVATE)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        telemetry.configure("cli", level="error", style="auto")
        try:
            asyncio.run(_awaited(command(*arguments, **options)))
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
        except click.Abort:
            say("nothing was done")
            sys.exit(INTERRUPTED)
        except BrokenPipeError:  # The reader of our output closed it, as `head` does.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except Stopped as stopped:
            say(str(stopped))
            sys.exit(stopped.code)
        except Exception as error:  # noqa: BLE001 - every error is shown as a line.
            sys.exit(_report(error))

    return run


def operator_command(command: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """Run an async command that is given a `data_dir` and whether to print `as_json`."""
    return data_dir_option(json_option(runs(command)))


def _report(error: Exception) -> int:
    """Print an error in lines; return its exit code. LOG_LEVEL=debug shows where a bug is."""
    code = exit_code_of(error)
    if code is None and os.environ.get("LOG_LEVEL", "").lower() == "debug":
        traceback.print_exception(error)
    kind = type(error).__name__
    about = "" if code is not None else f"a bug, {kind} (LOG_LEVEL=debug shows it): "
    for line in (_words_of(error) or kind).splitlines():
        say(f"darkroom: {about}{line}")
    return FAILED if code is None else code


async def _awaited(work: Awaitable[None]) -> None:
    """Do the work until Ctrl-C. It is cancelled several times, as a library may swallow one."""
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
    kinds = type(error).__mro__
    names = (
        name for kind in kinds for name in (kind.__name__, f"{kind.__module__}.{kind.__name__}")
    )
    return next((_EXIT_CODES[name] for name in names if name in _EXIT_CODES), None)


def _words_of(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, TimeoutError):
        return str(error) or "it took too long"
    return str(getattr(error, "detail", None) or error)


def _json(document: Any) -> str:
    return msgspec.json.encode(document).decode()
