"""docs/reference is what `make docs` would write now."""

import pytest

from adapters import setting_names
from tests.support.references import FOLDER, REFERENCES
from tests.support.setting_texts import TEXTS


@pytest.mark.parametrize("name", REFERENCES)
def test_a_reference_is_what_would_be_written_now(name: str) -> None:
    path = FOLDER / name
    written = path.read_text() if path.exists() else ""
    assert written == REFERENCES[name](), f"docs/reference/{name} is stale: run `make docs`"


def test_every_setting_has_a_text_and_every_text_a_setting() -> None:
    assert TEXTS.keys() == setting_names.NAMES
