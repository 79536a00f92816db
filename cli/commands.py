"""The command line: each command is in the module of its name, which is loaded when it runs."""

import importlib

import click
from click.exceptions import NoSuchCommand
from click.shell_completion import CompletionItem

COMMANDS = {
    "up": "Start the whole world on this machine and keep it running.",
    "demo": "Start a world, make one infograph, show every event, stop.",
    "doctor": "Say what is wrong, and what to do about it.",
    "tokens": "Issue, list and revoke access tokens.",
    "credits": "Grant, revoke and show credits.",
    "jobs": "Create, list, show, watch, cancel, retry and delete jobs.",
    "runs": "Create, list, show, cancel and retry runs of a funnel.",
    "webhooks": "Have a server of yours told of ended jobs and runs.",
    "events": "List, show and follow what the log says.",
    "simulate": "Make the simulator fail on purpose, to see what happens then.",
    "parked": "See, replay and discard what a handler gave up on.",
    "projections": "See and rebuild the read models.",
    "broker": "Make the log, its buckets and its consumers.",
    "config": "Show the settings in force, without their secrets.",
    "completions": "Let a shell complete commands, options and values.",
}


class Lazy(click.Group):
    """Imports a command's module only when it runs, so that `--help` is quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f"cli.{cmd_name}"), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except NoSuchCommand as unknown:  # It looked for like names among the loaded commands only.
            raise NoSuchCommand(unknown.command_name, possibilities=COMMANDS, ctx=ctx) from None

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        names = [name for name in COMMANDS if name.startswith(incomplete)]
        if incomplete.startswith("-") or not names:
            return click.Command.shell_complete(self, ctx, incomplete)
        return [CompletionItem(name, help=COMMANDS[name]) for name in names]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Lazy)
@click.version_option(package_name="darkroom")
def main() -> None:
    """Darkroom: an event-sourced job orchestrator for generative work.

    Exit codes: 0 ok, 1 a job or operation failed, 2 usage, 3 not found, 4 refused,
    5 a dependency is down, 6 a check found differences, 130 interrupted.
    """
