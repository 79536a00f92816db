"""What people write of a job's input is read as the kind's schema says."""

from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta, Struct

from cli.job_fields import fields_of, input_of
from cli.output import USAGE, Stopped
from domain.text import published


class Frame(Struct):
    width: int


class Film(Struct):
    prompt: str
    seconds: Annotated[int, Meta(ge=1)] = 5
    speed: float | None = None
    is_silent: bool = False
    tags: list[str] = []
    frame: Frame | None = None
    style: Literal["drawn", "real"] = "real"
    note: str | None = None


SCHEMA: Any = published(msgspec.json.schema(Film))


def test_a_text_stays_as_it_is_and_all_else_is_json() -> None:
    written = {
        "prompt": "12",
        "seconds": "6",
        "speed": "1.5",
        "is_silent": "true",
        "tags": '["a", "b"]',
        "frame": '{"width": 64}',
        "style": "drawn",
        "note": "null",
    }
    assert input_of("film", SCHEMA, written) == {
        "prompt": "12",
        "seconds": 6,
        "speed": 1.5,
        "is_silent": True,
        "tags": ["a", "b"],
        "frame": {"width": 64},
        "style": "drawn",
        "note": "null",
    }


def test_all_wrong_fields_are_named_at_once() -> None:
    with pytest.raises(Stopped) as stopped:
        input_of("film", SCHEMA, {"seconds": "six", "colour": "red", "speed": "fast", "note": "n"})
    assert stopped.value.code == USAGE
    lines = str(stopped.value).splitlines()
    assert [line.split(": ")[1] for line in lines[:3]] == ["seconds", "colour", "speed"]
    assert "integer" in lines[0]
    assert "null or number" in lines[2]
    assert lines[3].startswith("film has frame, is_silent, note, prompt")


@pytest.mark.parametrize("given", [["wide"], ["=b"], ["a=1", "a=2"], ["prompt=again"]])
def test_a_field_has_a_name_a_value_and_stands_once(given: list[str]) -> None:
    with pytest.raises(Stopped) as stopped:
        fields_of("reefs", given)
    assert stopped.value.code == USAGE


def test_a_value_may_have_any_signs() -> None:
    assert fields_of(None, ["a=b=c", "d="]) == {"a": "b=c", "d": ""}
    assert fields_of("reefs", []) == {"prompt": "reefs"}
