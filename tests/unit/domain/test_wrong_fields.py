"""Every wrong field of a body is told, in words, in the order of the type's fields."""

from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta, Struct, field

from domain.job_kinds.infograph import Infograph
from domain.text import InvalidField, Line, ProjectId
from domain.wrong_fields import FIELDS_MAX, NAME_CHARACTERS_MAX, WrongFields, read_as, refusal_of


class Ordered(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    project: ProjectId = field(name="projectId")
    name: Annotated[Line, Meta(min_length=1, max_length=3)]
    count: Annotated[int, Meta(ge=1, le=4)] = 1
    size: Literal["small", "large"] | None = None
    ids: Annotated[list[str], Meta(min_length=1, max_length=2)] = field(
        default_factory=lambda: [""]
    )
    first: str = "1"
    last: str = "9"

    def __post_init__(self) -> None:
        if self.first > self.last:
            raise InvalidField("first", "must not be after last")
        if self.last == "8":
            raise InvalidField("last", "must not be 8")


class Lenient(Struct):
    count: int = 0


GOOD: dict[str, Any] = {"projectId": "p", "name": "n"}


def wrong(value: Any, kind: type[Struct] = Ordered) -> dict[str, str]:
    with pytest.raises(WrongFields) as caught:
        read_as(kind, value)
    return caught.value.wrong


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("projectId", "a b", "must be 1 to 128 of A-Z, a-z, 0-9, ., _, : and -"),
        ("name", "", "must have at least 1 character"),
        ("name", "long", "must have at most 3 characters"),
        ("name", 7, "must be text, not a whole number"),
        ("count", 0, "must be at least 1"),
        ("count", 5, "must be at most 4"),
        ("count", 1.5, "must be a whole number, not a number"),
        ("count", True, "must be a whole number, not true or false"),
        ("count", None, "must be a whole number, not null"),
        ("size", "huge", "must be one of small, large"),
        ("size", 3, "must be text or null, not a whole number"),
        ("ids", {}, "must be a list, not an object"),
        ("ids", [], "must have at least 1 entry"),
        ("ids", ["a", "b", "c"], "must have at most 2 entries"),
        ("first", "99", "must not be after last"),
        ("nam", "n", "there is no such field: did you mean name?"),
        ("colour", "red", "there is no such field"),
    ],
)
def test_what_is_wrong_with_a_field_is_told_in_words(name: str, value: Any, message: str) -> None:
    assert wrong(GOOD | {name: value}) == {name: message}


def test_an_entry_of_a_list_is_named_by_its_place() -> None:
    assert wrong(GOOD | {"ids": ["a", 2]}) == {"ids[1]": "must be text, not a whole number"}


@pytest.mark.parametrize("value", [None, [], 1, "text", True])
def test_what_is_no_object_has_no_fields(value: Any) -> None:
    (name,) = wrong(value)
    assert name == "body"


def test_all_are_told_in_the_order_of_the_type_and_unknown_ones_last() -> None:
    sent = {"b": 1, "ids": [], "last": "8", "a": 1, "count": 0, "first": "99", "name": ""}
    assert list(wrong(sent)) == ["projectId", "name", "count", "ids", "first", "last", "b", "a"]


def test_checks_of_several_fields_run_where_another_one_is_missing() -> None:
    sent = {"aspect_ratio": "7:5", "resolution": "9K", "blog_url": "ftp://a"}
    assert list(wrong(sent, Infograph)) == ["prompt", "blog_url", "aspect_ratio", "resolution"]


def test_no_more_are_told_than_anybody_would_read() -> None:
    found = wrong({"x" * 1000 + str(number): 1 for number in range(1000)} | {"b": 1})
    assert len(found) <= FIELDS_MAX
    assert list(found)[:2] == ["projectId", "name"]
    assert all(len(name) <= NAME_CHARACTERS_MAX for name in found)


def test_what_is_right_is_read_and_what_may_be_unknown_is_passed_over() -> None:
    assert read_as(Ordered, GOOD) == Ordered(project="p", name="n")
    assert read_as(Lenient, {"more": 1}) == Lenient()
    assert list(wrong({"more": 1, "count": ""}, Lenient)) == ["count"]


def test_a_refusal_names_each_and_its_detail_all_of_them() -> None:
    refused = refusal_of(WrongFields({"a": "is wrong", "b": "too"}))
    assert (refused.code, refused.detail) == ("invalid", "a: is wrong; b: too")
    assert refused.errors == [
        {"field": "a", "message": "is wrong"},
        {"field": "b", "message": "too"},
    ]


def test_a_body_that_is_not_there_is_told_as_that() -> None:
    error = msgspec.ValidationError("Object missing required field `data`")
    assert refusal_of(error).errors == [{"field": "body", "message": "has to be there, as JSON"}]
