"""Completions: what a shell offers is what the commands take, in a real bash."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import get_completion_class
from click.testing import CliRunner

from cli.commands import COMMANDS, main
from cli.completions import PROGRAM, VARIABLE, completions

SHELLS = ("bash", "zsh", "fish")
ASK = """
source "$1"
COMP_WORDS=({words})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_darkroom_completion darkroom
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def script_for(shell: str) -> str:
    return CliRunner().invoke(completions, [shell]).output


@pytest.fixture(scope="module")
def bash_script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("completions")
    program = folder / "darkroom"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(Path.cwd())!r})\n"
        "from cli.__main__ import run\nrun()\n"
    )
    program.chmod(0o755)
    (folder / "script").write_text(script_for("bash"))
    return folder / "script"


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("darkroom ''", set(COMMANDS)),
        ("darkroom pro", {"projections"}),
        ("darkroom runs re", {"retry"}),
        ("darkroom credits grant --re", {"--reason"}),
        ("darkroom completions ''", set(SHELLS)),
        ("darkroom tokens issue --role op", {"operator"}),
        ("darkroom events list --type CreditsG", {"CreditsGranted"}),
        ("darkroom jobs list --status c", {"completed", "cancelled"}),
        ("darkroom jobs create --kind in", {"infograph"}),
        ("darkroom simulate cl", {"clear"}),
    ],
)
def test_a_real_bash_offers_what_can_come_next(
    bash_script: Path, words: str, offered: set[str]
) -> None:
    done = subprocess.run(
        ["bash", "--norc", "-c", ASK.format(words=words), "bash", str(bash_script)],
        env={**os.environ, "PATH": f"{bash_script.parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert set(done.stdout.split()) == offered, done.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_each_script_asks_the_command_itself(shell: str) -> None:
    script = script_for(shell)
    assert f"_DARKROOM_COMPLETE={shell}_complete" in script
    assert "%(" not in script


@pytest.mark.parametrize(
    ("shell", "position", "first"),
    [
        ("bash", "2", "plain,entries"),
        ("zsh", "2", "plain\nentries\nList an account's entries, newest first."),
        ("fish", "", "plain,entries\tList an account's entries, newest first."),
    ],
)
def test_the_command_answers_each_shell_in_its_form(
    monkeypatch: pytest.MonkeyPatch, shell: str, position: str, first: str
) -> None:
    monkeypatch.setenv("COMP_WORDS", "darkroom credits ")
    monkeypatch.setenv("COMP_CWORD", position)
    kind = get_completion_class(shell)
    assert kind is not None
    assert kind(main, {}, PROGRAM, VARIABLE).complete().startswith(first)
