"""What commands take: groups that tell all wrong options at once, and the types of options."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click
from click.shell_completion import CompletionItem

from contracts.cursor import BadCursor, parse_cursor
from contracts.ids import BadId, checked
from domain.text import InvalidField, check_line

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


class Command(click.Command):
    """A command that reports every option that is missing or wrong, where click stops at one."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.BadParameter as first:
            if ctx.resilient_parsing:
                raise
            wrong = self._wrong(ctx, given) or [first.format_message()]
            raise click.UsageError("\nError: ".join(wrong), ctx) from None

    def _wrong(self, ctx: click.Context, args: list[str]) -> list[str]:
        options, left, _ = self.make_parser(ctx).parse_args(list(args))
        wrong = []
        for parameter in self.get_params(ctx):
            try:
                _, left = parameter.handle_parse_result(ctx, options, left)
            except click.BadParameter as error:
                wrong.append(error.format_message())
        return wrong


class Group(click.Group):
    """A group of such commands."""

    command_class = Command


class _Checked(click.ParamType[Any]):
    """A text that one of our own rules takes."""

    def __init__(self, name: str, read: Callable[[str], Any]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self._read(value)
        except InvalidField as error:
            self.fail(error.message, param, ctx)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _id(text: str) -> str:
    try:
        return checked(text)
    except BadId:
        raise ValueError("not an id: it has 1 to 64 of A-Z, a-z, 0-9, _ and -") from None


def _line(text: str) -> str:
    check_line("text", text)
    return text


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("not a time, as 2026-05-31T09:30:00Z or 2026-05-31 09:30+02") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _after(text: str) -> int:
    if re.fullmatch(r"[0-9]{1,18}", text):
        return int(text)
    try:
        return parse_cursor(text).sequence
    except BadCursor as error:
        raise ValueError(str(error)) from None


ID = _Checked("id", _id)
LINE = _Checked("text", _line)
TIME = _Checked("time", _time)
AFTER = _Checked("cursor", _after)
key_option = click.option(
    "--key", type=LINE, help="Idempotency key: a repeat with it changes nothing."
)


def among(names: Callable[[], list[str]]) -> Completer:
    """Complete an option from these names. Whether a name is right, the world says."""

    def complete(
        _ctx: click.Context, _param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [CompletionItem(name) for name in names() if name.startswith(incomplete)]

    return complete
