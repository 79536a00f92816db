"""Text for people: tables with a header, documents as lines, times in their own zone."""

import re
import shutil
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from domain.text import clean_line, clean_prose

Row = Mapping[str, Any]
GAP = "  "
CUT = "…"
COLUMN_WIDTH_MIN = 8  # Of a column that is cut to make the others fit.
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", re.ASCII)


class Table:
    """Rows as text, in columns that stay aligned when more rows come. `columns` chooses some and
    their order; without it, each row's fields are shown. A table on a terminal is cut to its width,
    in columns that hold no ids: these are there to be copied.
    """

    def __init__(self, columns: Sequence[str] = (), width_max: int | None = None) -> None:
        self._columns = list(columns)
        self._width_max = width_max
        self._widths: list[int] = []
        self._right: list[bool] = []

    def lines(self, rows: Sequence[Row]) -> Iterator[str]:
        """Yield the lines of these rows; the first ones come with the header."""
        if not rows:
            return
        is_first = not self._widths
        if is_first:
            self._columns = self._columns or list(
                dict.fromkeys(name for row in rows for name in row)
            )
            self._right = [_all_numbers(rows, name) for name in self._columns]
        headers = [_cell(name).upper().replace("_", " ") for name in self._columns]
        cells = [[_cell(row.get(name)) for name in self._columns] for row in rows]
        self._widen([headers, *cells])
        for line in [headers, *cells] if is_first else cells:
            yield self._line(line)

    def _widen(self, lines: list[list[str]]) -> None:
        before = self._widths or [0] * len(self._columns)
        widest = [max(map(width, column)) for column in zip(*lines, strict=True)]
        self._widths = [max(pair) for pair in zip(before, widest, strict=True)]
        if self._width_max is not None:
            self._narrow(self._width_max - len(GAP) * (len(self._columns) - 1))

    def _narrow(self, width_max: int) -> None:
        """Cut the widest columns to one width, the largest with which all columns fit."""

        def widths(most: int) -> list[int]:
            pairs = zip(self._columns, self._widths, strict=True)
            return [each if _is_id(name) else min(each, most) for name, each in pairs]

        fitting = (n for n in range(width_max, COLUMN_WIDTH_MIN, -1) if sum(widths(n)) <= width_max)
        self._widths = widths(next(fitting, COLUMN_WIDTH_MIN))

    def _line(self, cells: list[str]) -> str:
        shown = (
            _padded(cut(text, columns), columns, to_the_right=right)
            for text, columns, right in zip(cells, self._widths, self._right, strict=True)
        )
        return GAP.join(shown).rstrip()


def table_for_stdout(columns: Sequence[str] = ()) -> Table:
    width_max = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    return Table(columns, width_max)


def document_lines(document: Row, name: str = "") -> Iterator[str]:
    """Yield `name: value` lines; what lies deeper has a name like `error.code`, or is a table."""
    for key, value in document.items():
        path = f"{name}.{_cell(key)}" if name else _cell(key)
        if _is_sealed(value) or not isinstance(value, dict | list) or not value:
            yield f"{path}: {plain(value)}"
        elif isinstance(value, dict):
            yield from document_lines(value, path)
        elif all(isinstance(each, dict) for each in value):
            yield f"{path}:"
            yield from (f"{GAP}{line}" for line in Table().lines(value))
        else:
            yield f"{path}: {plain(value)}"


def plain(value: Any) -> str:
    """Return a value in words: nothing that a terminal would obey, no word of a language."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case float() if value.is_integer():
            return str(int(value))
        case str():
            return local_time(value) if _TIME.fullmatch(value) else clean_prose(value, len(value))
        case dict() | list() | tuple():
            return _joined(value)
        case _:
            return str(value)


def _joined(value: Any) -> str:
    if not value or _is_sealed(value):
        return "(sealed)" if value else "-"
    if not isinstance(value, dict) and not any(isinstance(each, dict | list) for each in value):
        return ", ".join(map(plain, value))
    text = msgspec.json.encode(value).decode()
    return clean_prose(text, len(text))


def local_time(text: str) -> str:
    """Return a time of ours in the zone of this machine, with its offset: `… 09:30:00+02`. Options
    take it in this form too.
    """
    at = datetime.fromisoformat(text).astimezone()
    return at.replace(microsecond=0).isoformat(" ").removesuffix(":00")


def local_clock(text: str) -> str:
    """Return the time of day, to the millisecond, where the day goes without saying."""
    return datetime.fromisoformat(text).astimezone().strftime("%H:%M:%S.%f")[:-3]


def width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    return sum(map(_width, text)) if not text.isascii() else len(text)


def cut(text: str, columns_max: int) -> str:
    """Return the text, or as much of it as fits with a sign that there is more."""
    if width(text) <= columns_max:
        return text
    text = text[:columns_max]
    while width(text) > columns_max - len(CUT):
        text = text[:-1]
    return text + CUT


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def _padded(text: str, columns: int, *, to_the_right: bool) -> str:
    space = " " * (columns - width(text))
    return space + text if to_the_right else text + space


def _cell(value: Any) -> str:
    text = plain(value)
    return clean_line(text, len(text))


def _all_numbers(rows: Sequence[Row], name: str) -> bool:
    return all(type(row.get(name)) in {int, float} for row in rows)


def _is_id(name: str) -> bool:
    return name == "id" or name.endswith("_id")


def _is_sealed(value: Any) -> bool:
    return isinstance(value, dict) and value == {"sealed": True}
