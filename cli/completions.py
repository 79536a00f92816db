"""`darkroom completions`: scripts for shells. They ask this very command what can come next, so
that no list of commands or options can grow old.
"""

import click
from click.shell_completion import get_completion_class

from cli.parameters import Command

PROGRAM = "darkroom"
VARIABLE = "_DARKROOM_COMPLETE"  # What click itself looks at in the program's environment.


@click.command(
    cls=Command,
    epilog="bash: eval it in ~/.bashrc. zsh: the same in ~/.zshrc, after compinit. fish: write it"
    " to ~/.config/fish/completions/darkroom.fish.",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completions(shell: str) -> None:
    """Print a script that lets a shell complete commands, options and values.

    For instance: eval "$(darkroom completions bash)"
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"there are no completions for {shell}")
    # Not its `source`, which starts a bash to look at its version.
    script = kind(click.Command(PROGRAM), {}, PROGRAM, VARIABLE)
    click.echo(script.source_template % script.source_vars())
