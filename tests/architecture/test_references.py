"""docs/reference is what `make docs` would write now."""

import ast
import json
from pathlib import Path

import jsonschema_rs
import pytest

from adapters import setting_names
from adapters.problems import Problem
from tests.architecture.sources import SOURCES, name_of, nodes_of
from tests.support.asyncapi import LOG, all_events, asyncapi, events_of
from tests.support.references import FOLDER, OTHER_TEXTS, REFERENCES

EXAMPLES = sorted((FOLDER.parent.parent / "tests" / "history").glob("*.json"))


@pytest.mark.parametrize("name", REFERENCES)
def test_a_reference_is_what_would_be_written_now(name: str) -> None:
    path = FOLDER / name
    written = path.read_text() if path.exists() else ""
    assert written == REFERENCES[name](), f"docs/reference/{name} is stale: run `make docs`"


def test_every_setting_that_no_service_reads_has_a_text() -> None:
    assert OTHER_TEXTS.keys() == setting_names.OTHER_NAMES


def test_the_broker_documents_channels_hold_every_event() -> None:
    held = [event.__name__ for _, _, events in LOG.values() for event in events_of(events)]
    assert sorted(held) == sorted(all_events())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_recorded_commit_is_one_that_the_broker_document_describes(path: Path) -> None:
    document = asyncapi()
    commit = json.loads(path.read_bytes())
    messages = document["components"]["messages"]
    fitting = [
        name
        for name in LOG
        if jsonschema_rs.is_valid(
            messages[f"{name}Commit"]["payload"] | {"components": document["components"]}, commit
        )
    ]
    assert len(fitting) == 1


def test_every_word_beside_a_refusal_is_a_field_of_a_problem() -> None:
    """A word that is none would be a 500 where a 4xx is meant."""
    known = {"errors", *Problem.__struct_fields__}
    found = [
        f"{name_of(path)}:{node.lineno}: {keyword.arg}"
        for path in SOURCES
        for node in nodes_of(path)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Refused"
        for keyword in node.keywords
        if keyword.arg not in known
    ]
    assert not found, "\n".join(found)
