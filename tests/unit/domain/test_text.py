"""Text: one rule of which characters may be in what people and providers write."""

import re
from typing import Annotated

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from domain.text import (
    KEY_PATTERN,
    LINE_PATTERN,
    PROSE_PATTERN,
    InvalidField,
    Line,
    Prose,
    check_json,
    check_line,
    clean_json,
    clean_line,
    clean_prose,
    is_key,
    is_line,
    is_query,
)

NEVER = ["\x00", "\x07", "\x0b", "\x0c", "\x1b", "\x1f", "\x7f", "\x80", "\x85", "\x9f", "\ud800"]
ONLY_IN_PROSE = ["\t", "\n", "\r", "\u2028", "\u2029", "\u202e", "\u2066"]
HARMLESS = ["ä", "日本", "👩\u200d🚀", "\u00a0x", "ﷺ", "\ufffd", "a b", "\U0010fffe"]


class Body(msgspec.Struct):
    line: Annotated[Line, Meta(max_length=200)] = "x"
    prose: Prose = "x"


@pytest.mark.parametrize("character", NEVER)
def test_control_characters_are_refused_in_every_form(character: str) -> None:
    for text in (character, f"a{character}b", f"a{character}", f"{character}a"):
        assert not is_line(text)
        assert not is_query(text)
        with pytest.raises(InvalidField, match=r"control characters|empty"):
            check_line("reason", text)
        assert not _decodes("prose", text)


@pytest.mark.parametrize("character", ONLY_IN_PROSE)
def test_a_line_is_one_line_and_prose_may_be_several(character: str) -> None:
    for text in (f"a{character}b", f"a{character}"):
        assert not is_line(text)
        assert _decodes("prose", text)


@pytest.mark.parametrize("text", HARMLESS)
def test_every_language_is_welcome(text: str) -> None:
    check_line("reason", text)
    assert _decodes("prose", text)
    assert clean_line(text) == text.strip()
    assert clean_prose(text, 100) == text


@pytest.mark.parametrize("text", ["", " ", "\u3000", "\u00a0 "])
def test_white_space_alone_says_nothing(text: str) -> None:
    with pytest.raises(InvalidField, match="empty"):
        check_line("reason", text)
    assert re.search(PROSE_PATTERN, text) is None


def test_a_text_has_a_length() -> None:
    check_line("reason", "x" * 200)
    with pytest.raises(InvalidField, match="at most 200"):
        check_line("reason", "x" * 201)


@given(st.text(alphabet=st.characters(categories=None), max_size=20))
def test_a_bodys_type_and_the_check_agree(text: str) -> None:
    assert _is_taken(text) == _decodes("line", text) == is_line(text)


@given(st.text(alphabet=st.characters(categories=None), max_size=40))
def test_what_was_cleaned_is_taken(text: str) -> None:
    line, prose = clean_line(text), clean_prose(text, 30)
    assert line == "" or is_line(line)
    assert prose.strip() == "" or _decodes("prose", prose)
    check_json("x", clean_json({text: [text]}, 40))


def test_json_is_checked_to_its_leaves() -> None:
    check_json("intake", {"": ["", None, 1.5, True, {"a": "b\n"}]})
    for value in ({"a\x00": 1}, {"a": ["\x7f"]}, {"a": {"b": {"c": "\x85"}}}, "\x00"):
        with pytest.raises(InvalidField) as refused:
            check_json("intake", value)
        assert refused.value.field == "intake"


@pytest.mark.parametrize("key", ["a", "x" * 255, "a b", "~"])
def test_a_key_is_printable_ascii(key: str) -> None:
    assert is_key(key)


@pytest.mark.parametrize("key", ["", "x" * 256, " a", "a\n", "é", "\x7f"])
def test_any_other_key_is_none(key: str) -> None:
    assert not is_key(key)


@pytest.mark.parametrize("pattern", [LINE_PATTERN, PROSE_PATTERN, KEY_PATTERN])
def test_a_long_text_with_one_bad_character_costs_no_more_than_a_good_one(pattern: str) -> None:
    """Quadratic backtracking would take hours here."""
    assert re.search(pattern, " " * 1_000_000 + "x" * 1_000_000 + "\x00") is None


def _is_taken(text: str) -> bool:
    try:
        check_line("x", text)
    except InvalidField:
        return False
    return True


def _decodes(field: str, text: str) -> bool:
    try:
        msgspec.convert({field: text}, Body)
    except msgspec.ValidationError:
        return False
    return True
