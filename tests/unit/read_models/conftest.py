"""Tables in memory, one set a test."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, create_engine

from read_models import positions


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    with engine.begin() as opened:
        positions.create(opened, "epoch")
        yield opened
    engine.dispose()
