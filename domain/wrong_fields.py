"""Wrong fields: every field of a body or an input that is wrong, told in words.

msgspec stops at the first wrong field. Only when it has refused one, each field is looked at alone;
what is fine is never read twice.
"""

import re
from collections.abc import Iterator
from difflib import get_close_matches
from itertools import islice
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec
from msgspec import Struct, structs

from domain.refusals import Refused
from domain.text import WORDS, InvalidField

FIELDS_MAX = 20  # Of those that are told.
NAME_CHARACTERS_MAX = 64
MISSING = "has to be there"
_TYPES = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
}
_BOUNDS = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}
_MISMATCH = re.compile(r"Expected `([^`]+)`, got `([^`]+)`")
_LENGTH = re.compile(r"Expected `(\w+)` of length (>=|<=) (\d+)")
_BOUND = re.compile(r"Expected `\w+` (>=|<=|>|<) (\S+)")
_STAND_INS: tuple[Any, ...] = ("x", 1, True, [], {})

T = TypeVar("T")


class WrongFields(msgspec.ValidationError):
    """Each wrong field and what is wrong with it, in the order of the type's fields."""

    def __init__(self, wrong: dict[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {message}" for name, message in wrong.items()))
        self.wrong = wrong


def read_as(kind: type[T], value: Any) -> T:
    """Return decoded JSON as this type; raise WrongFields."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise WrongFields(_wrong_fields(kind, value, error)) from None


def refusal_of(error: msgspec.ValidationError) -> Refused:
    """Refuse what msgspec has refused, in a body (`$.data`) or an input (`$`)."""
    if not isinstance(error, WrongFields):
        field, message = _named(error)
        field = field.removeprefix("data").strip(".")
        missing = not field and "missing required field `data`" in str(error)
        error = WrongFields({field or "body": f"{MISSING}, as JSON" if missing else message})
    errors = [{"field": name, "message": message} for name, message in error.wrong.items()]
    return Refused("invalid", str(error), errors=errors)


def _wrong_fields(kind: Any, value: Any, error: msgspec.ValidationError) -> dict[str, str]:
    if not (isinstance(kind, type) and issubclass(kind, Struct) and isinstance(value, dict)):
        field, message = _named(error)
        return {field or "body": message}
    fields = {field.encode_name: field for field in structs.fields(kind)}
    wrong = dict(_wrong_values(fields, value))
    for name, message in _wrong_together(kind, fields, value, wrong):
        wrong.setdefault(name, message)
    places = {name: place for place, name in enumerate(fields)}
    known = sorted(wrong, key=lambda name: places.get(re.split(r"[.\[]", name)[0], len(places)))
    found = {name: wrong[name] for name in known}
    if kind.__struct_config__.forbid_unknown_fields:
        found |= dict(islice(_unknown(fields, value), FIELDS_MAX))
    return dict(islice(found.items(), FIELDS_MAX)) or dict([_named(error)])


def _wrong_values(
    fields: dict[str, structs.FieldInfo], value: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    """Find what each field's own type refuses."""
    for name, field in fields.items():
        if name in value:
            try:
                msgspec.convert(value[name], field.type)
            except msgspec.ValidationError as error:
                place, message = _named(error, field.type)
                yield (
                    f"{name}{place if place.startswith('[') else '.' * bool(place) + place}",
                    message,
                )
        elif field.required:
            yield name, MISSING


def _wrong_together(
    kind: type[Struct],
    fields: dict[str, structs.FieldInfo],
    value: dict[str, Any],
    wrong: dict[str, str],
) -> Iterator[tuple[str, str]]:
    """Find what `__post_init__` refuses, one field after the other: what is wrong is left out, and
    something stands in for what has to be there.
    """
    tops = {re.split(r"[.\[]", name)[0] for name in wrong}
    given = {name: value[name] for name in fields if name in value and name not in tops}
    for _ in fields:
        needed = {name for name, field in fields.items() if field.required and name not in given}
        stand_ins = {name: _stand_in(fields[name].type) for name in needed}
        try:
            msgspec.convert(given | stand_ins, kind)
        except msgspec.ValidationError as error:
            field, message = _named(error)
            if field not in given:
                return
            yield field, message
            del given[field]
        else:
            return


def _stand_in(kind: Any) -> Any:
    for each in _STAND_INS:
        try:
            msgspec.convert(each, kind)
        except msgspec.ValidationError:
            continue
        return each
    return None


def _unknown(
    fields: dict[str, structs.FieldInfo], value: dict[str, Any]
) -> Iterator[tuple[str, str]]:
    for name in value:
        if name not in fields:
            shown = name[:NAME_CHARACTERS_MAX]
            like = get_close_matches(shown, fields, 1)
            yield shown, "there is no such field" + "".join(f": did you mean {n}?" for n in like)


def _named(error: msgspec.ValidationError, kind: Any = None) -> tuple[str, str]:
    """Return the field that msgspec complains about, and its complaint in words."""
    if isinstance(error.__cause__, InvalidField):
        return error.__cause__.field, error.__cause__.message
    message, _, path = str(error).partition(" - at `$")
    return path.strip("`.").removeprefix("."), _in_words(message, kind)


def _in_words(message: str, kind: Any) -> str:
    if found := _MISMATCH.fullmatch(message):
        wanted = [_TYPES.get(each, each) for each in found[1].split(" | ")]
        return f"must be {' or '.join(wanted)}, not {_TYPES.get(found[2], found[2])}"
    if found := _LENGTH.fullmatch(message):
        unit = "characters" if found[1] == "str" else "entries"
        return f"must have {_BOUNDS[found[2]]} {found[3]} {_one(unit) if found[3] == '1' else unit}"
    if found := _BOUND.fullmatch(message):
        return f"must be {_BOUNDS[found[1]]} {found[2]}"
    if choices := ", ".join(_choices(kind)):
        return f"must be one of {choices}"
    for pattern, words in WORDS.items():
        if repr(pattern) in message:
            return words
    return message


def _one(unit: str) -> str:
    return {"characters": "character", "entries": "entry"}[unit]


def _choices(kind: Any) -> list[str]:
    if get_origin(kind) is Literal:
        return [str(each) for each in get_args(kind)]
    return [name for each in get_args(kind) for name in _choices(each)]
