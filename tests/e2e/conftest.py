"""Which end-to-end tests run on the database that WORLDS_ON names."""

import os

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On another database than the first, leave out what would run as it has run already."""
    if os.environ.get("WORLDS_ON", "sqlite") == "sqlite":
        return
    repeats = [each for each in items if each.get_closest_marker("same_on_any_database")]
    config.hook.pytest_deselected(items=repeats)
    items[:] = [each for each in items if each not in repeats]
