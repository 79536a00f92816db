"""docs/reference is what `make docs` would write now."""

import pytest

from adapters import setting_names
from tests.support.references import FOLDER, OTHER_TEXTS, REFERENCES


@pytest.mark.parametrize("name", REFERENCES)
def test_a_reference_is_what_would_be_written_now(name: str) -> None:
    path = FOLDER / name
    written = path.read_text() if path.exists() else ""
    assert written == REFERENCES[name](), f"docs/reference/{name} is stale: run `make docs`"


def test_every_setting_that_no_service_reads_has_a_text() -> None:
    assert OTHER_TEXTS.keys() == setting_names.OTHER_NAMES
