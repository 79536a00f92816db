"""The command line's own names: what is close to one is offered."""

import pytest
from click.testing import CliRunner

from cli.commands import main


@pytest.mark.parametrize(("given", "meant"), [("job", "jobs"), ("simulat", "simulate")])
def test_a_misspelt_command_is_told_with_what_was_meant(given: str, meant: str) -> None:
    done = CliRunner().invoke(main, [given])
    assert (done.exit_code, f"Did you mean '{meant}'?" in done.output) == (2, True)


def test_a_word_like_no_command_is_told_without_a_guess() -> None:
    done = CliRunner().invoke(main, ["zzz"])
    assert (done.exit_code, "Did you mean" in done.output) == (2, False)
