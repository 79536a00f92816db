"""docs/reference is what `make docs` would write now."""

import pytest

from adapters import setting_names
from tests.support.references import FOLDER, REFERENCES


@pytest.mark.parametrize("name", REFERENCES)
def test_a_reference_is_what_would_be_written_now(name: str) -> None:
    path = FOLDER / name
    written = path.read_text() if path.exists() else ""
    assert written == REFERENCES[name](), f"docs/reference/{name} is stale: run `make docs`"


def test_every_setting_has_a_description() -> None:
    described: dict[str, str] = getattr(setting_names, "DESCRIPTIONS", {})
    missing = sorted(setting_names.NAMES - described.keys())
    assert not missing, f"adapters/setting_names.py does not describe {missing}"
