"""The TypeScript client's types: made from the OpenAPI document, and held by its code."""

import re

import pytest

from tests.support.node import CLIENT, MODULES, node, set_up
from tests.support.typescript import SCHEMA, generated

OTHER_HEADERS = "[name: string]: unknown;"  # Of every answer, whatever the document says.


@pytest.fixture(scope="module", autouse=True)
def _modules() -> None:
    set_up()


def test_its_types_are_made_from_the_document_as_it_is() -> None:
    text, warnings = generated()
    assert SCHEMA.read_text() == text, "run `make clients`"
    code = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL).replace(OTHER_HEADERS, "")
    assert not re.findall(r".*\bunknown\b.*", code), "the document says too little"
    assert not re.search("warn|error", warnings, re.IGNORECASE), warnings


def test_its_code_its_tests_and_its_types_agree() -> None:
    done = node(MODULES / "typescript" / "bin" / "tsc", "--noEmit")
    assert done.returncode == 0, done.stdout


def test_its_lock_names_no_host() -> None:
    """`npm run lock` writes it without addresses, so that any registry will do."""
    text = (CLIENT / "package-lock.json").read_text()
    assert '"integrity": "sha512-' in text
    assert "://" not in text
    assert '"resolved"' not in text
