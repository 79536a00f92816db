"""The glossary is held: what it names exists, and what it bans is no identifier's part."""

import ast
import re
from collections import defaultdict

import pytest

from tests.architecture.sources import ROOT, SOURCES, name_of, names_defined_in, nodes_of

GLOSSARY = (ROOT / "docs" / "glossary.md").read_text()
TERMS, _, BANNED = GLOSSARY.partition("## Words that are not used")
FILE = re.compile(r"[\w/.-]+\.(py|md)")
QUOTED = re.compile(r"`([^`]+)`")
# `JetStreamLog` is jet, stream, log; `HTTP_PORT` is http, port.
PARTS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")


def rows_of(text: str) -> list[list[str]]:
    """Return the cells of every row of the text's tables, without heads and rules."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [cells for cells in rows if cells[0] not in {"word", "not used", "---"}]


DEFINED = {path: list(names_defined_in(path)) for path in SOURCES}
EVERY_NAME = {name for names in DEFINED.values() for name, _ in names}


@pytest.mark.parametrize("cells", rows_of(TERMS), ids=lambda cells: str(cells[0]))
def test_what_a_term_names_exists(cells: list[str]) -> None:
    named = QUOTED.findall(cells[2])
    assert named, f"docs/glossary.md says nowhere where '{cells[0]}' is in the code"
    for name in named:
        if FILE.fullmatch(name):
            assert (ROOT / name).exists(), f"'{cells[0]}' names the file {name}: there is none"
        else:
            assert name in EVERY_NAME, f"'{cells[0]}' names {name}: the code defines no such name"


def test_no_term_stands_twice() -> None:
    terms = [cells[0] for cells in rows_of(TERMS)]
    assert not {term for term in terms if terms.count(term) > 1}


@pytest.mark.parametrize("cells", rows_of(BANNED), ids=lambda cells: str(cells[0]))
def test_no_identifier_uses_a_word_that_is_not_used(cells: list[str]) -> None:
    (word,), instead = QUOTED.findall(cells[0]), cells[1]
    allowed = tuple(QUOTED.findall(cells[2]))
    found = [
        f"{name_of(path)}:{line}: {name}"
        for path, names in DEFINED.items()
        if not name_of(path).startswith(allowed or "-")
        for name, line in names
        if uses(name, word)
    ]
    assert not found, f"do not say '{word}', say {instead}:\n" + "\n".join(found)


def uses(name: str, word: str) -> bool:
    if "_" in word or word[0].isupper():
        return name == word
    return word in (part.lower() for part in PARTS.findall(name))


def test_no_class_name_stands_twice() -> None:
    found: dict[str, list[str]] = defaultdict(list)
    for path in SOURCES:
        for node in nodes_of(path):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(name_of(path))
    twice = {name: paths for name, paths in found.items() if len(paths) > 1}
    assert not twice, f"one name, one class: {twice}"
