r"""Text: which characters people, operators and providers may write, and how many of them.

There are two forms. A line is a name, a reason, an id or an address; prose is a prompt or a
description, with tabs and line breaks. Neither holds a character that a database, a header or a
terminal cannot take. What people write is checked and refused, what a provider writes is cleaned.
"""

import re
from typing import Annotated, Any, TypeGuard

from msgspec import Meta

LINE_CHARACTERS_MAX = 200
# C0 without tab and line breaks, DEL, C1, lone surrogates. As `\u` escapes, which regular
# expressions of Python and of JSON Schema read alike.
_HALVES = r"\ud800-\udfff"
_NEVER = r"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f" + _HALVES
# Line breaks, and what turns the direction of the text around it: a name must not rewrite a list.
_NEVER_IN_LINES = _NEVER + r"\t\n\r\u2028\u2029\u202a-\u202e\u2066-\u2069"
_SPACES = r" \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\ufeff"
_SPACES_IN_PROSE = _SPACES + r"\t\n\r\u2028\u2029"
# The end of the text: `$` alone would let one more line break pass in Python.
END = r"$(?![\s\S])"


def _pattern(never: str, spaces: str) -> str:
    """Match text that is not white space only and has none of `never`, in linear time."""
    return f"^[{spaces}]*[^{spaces}{never}][^{never}]*{END}"


LINE_PATTERN = _pattern(_NEVER_IN_LINES, _SPACES)
PROSE_PATTERN = _pattern(_NEVER, _SPACES_IN_PROSE)
PROSE_IN_JSON_PATTERN = f"^[^{_NEVER}]*{END}"
QUERY_PATTERN = f"^[^{_NEVER_IN_LINES}]*{END}"
ID_PATTERN = f"^[A-Za-z0-9_-]{{1,64}}{END}"
PROJECT_ID_PATTERN = f"^[A-Za-z0-9._:-]{{1,128}}{END}"
KEY_PATTERN = f"^[!-~]([ -~]{{0,253}}[!-~])?{END}"

EMPTY = "must not be empty or only white space"
CONTROL = "must not hold control characters"
ONE_LINE = "must be one line without control characters"
# What a body's type refuses, in words: msgspec would quote the pattern.
WORDS = {
    LINE_PATTERN: f"{ONE_LINE}, and {EMPTY.removeprefix('must ')}",
    PROSE_PATTERN: f"{CONTROL}, and {EMPTY}",
    ID_PATTERN: "must be 1 to 64 of A-Z, a-z, 0-9, _ and -",
    PROJECT_ID_PATTERN: "must be 1 to 128 of A-Z, a-z, 0-9, ., _, : and -",
}


def published(schema: Any) -> Any:
    """Return a JSON schema with its patterns as JSON Schema reads them: there `$` is only the end
    of the text, and no text has a lone surrogate.
    """
    match schema:
        case str():
            return schema.replace(END, "$").replace(_HALVES, "")
        case dict():
            return {name: published(each) for name, each in schema.items()}
        case list() | tuple():
            return [published(each) for each in schema]
        case _:
            return schema


# Fields of a body. A length is added to them: `Annotated[Line, Meta(max_length=200)]`.
Line = Annotated[str, Meta(pattern=LINE_PATTERN)]
Prose = Annotated[str, Meta(pattern=PROSE_PATTERN)]
Id = Annotated[str, Meta(pattern=ID_PATTERN)]
ProjectId = Annotated[str, Meta(pattern=PROJECT_ID_PATTERN)]

_line = re.compile(LINE_PATTERN)
_query = re.compile(QUERY_PATTERN)
_key = re.compile(KEY_PATTERN)
_never = re.compile(f"[{_NEVER}]")
_never_in_lines = re.compile(f"[{_NEVER_IN_LINES}]")
_REPLACEMENT = "\ufffd"


class InvalidField(ValueError):
    """A field's value is wrong in a way that its type cannot say."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field} {message}")
        self.field = field
        self.message = message


def is_line(text: Any) -> TypeGuard[str]:
    return isinstance(text, str) and _line.match(text) is not None


def is_query(text: str) -> bool:
    """Tell whether it is a line or empty, as a value in a URL may be."""
    return _query.match(text) is not None


def is_key(text: str) -> bool:
    """Tell whether it can be an Idempotency-Key: 1 to 255 printable characters of ASCII."""
    return _key.match(text) is not None


def check_line(field: str, text: str, characters_max: int = LINE_CHARACTERS_MAX) -> None:
    if not text.strip():
        raise InvalidField(field, EMPTY)
    if len(text) > characters_max:
        raise InvalidField(field, f"must have at most {characters_max} characters")
    if not is_line(text):
        raise InvalidField(field, ONE_LINE)


def check_json(field: str, value: Any) -> None:
    """Check every text in what was JSON, the names of its fields too. Texts may be empty."""
    match value:
        case str():
            if _never.search(value) is not None:
                raise InvalidField(field, CONTROL)
        case dict():
            for name, each in value.items():
                check_json(field, name)
                check_json(field, each)
        case list():
            for each in value:
                check_json(field, each)


def clean_line(text: str, characters_max: int = LINE_CHARACTERS_MAX) -> str:
    """Return the text as a line that can be kept and shown; possibly empty, never refused."""
    return _never_in_lines.sub(" ", text[:characters_max]).strip()


def clean_prose(text: str, characters_max: int) -> str:
    """Return the text as prose that can be kept and shown; possibly empty, never refused."""
    return _never.sub(_REPLACEMENT, text[:characters_max])


def clean_json(value: Any, characters_max: int) -> Any:
    """Return JSON with every text cleaned, the names of its fields too."""
    match value:
        case str():
            return clean_prose(value, characters_max)
        case dict():
            return {
                clean_prose(str(name), characters_max): clean_json(each, characters_max)
                for name, each in value.items()
            }
        case list():
            return [clean_json(each, characters_max) for each in value]
        case _:
            return value
