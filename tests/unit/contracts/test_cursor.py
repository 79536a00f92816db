"""Cursors survive the way out and back, and nothing else is one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.cursor import BadCursor, Cursor, parse_cursor


@given(st.integers(0, 10**18 - 1), st.integers(0, 10**9 - 1))
def test_a_cursor_comes_back_as_it_went(sequence: int, index: int) -> None:
    cursor = Cursor("a1b2c3d4", sequence, index)
    assert parse_cursor(str(cursor)) == cursor


@pytest.mark.parametrize(
    "text", ["", "1", "a.b.c", "e.1.2.3", "E.1.1", "e.-1.0", "e.1.1 ", "é.1.1"]
)
def test_anything_else_is_no_cursor(text: str) -> None:
    with pytest.raises(BadCursor):
        parse_cursor(text)
