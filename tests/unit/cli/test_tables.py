"""Tables that people read: a header, aligned columns, their own times, nothing cut in a pipe."""

import time
from collections.abc import Iterator

import pytest

from cli.output import say
from cli.tables import COLUMN_WIDTH_MIN, CUT, Table, document_lines, plain, width

ROWS = [
    {"id": "a" * 36, "amount": 7, "reason": "short"},
    {"id": "b" * 36, "amount": 1000, "reason": "a long reason " * 20},
]


@pytest.fixture
def new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_a_header_stands_over_columns_that_line_up() -> None:
    header, first, second = Table(("id", "amount")).lines(ROWS)
    assert header.split() == ["ID", "AMOUNT"]
    assert {len(header), len(first), len(second)} == {36 + 2 + 6}
    assert (first[-2:], second[-5:]) == (" 7", " 1000")


def test_nothing_is_cut_in_a_pipe_and_a_terminal_is_never_overrun() -> None:
    assert str(ROWS[1]["reason"]).strip() in list(Table().lines(ROWS))[2]
    lines = list(Table(width_max=70).lines(ROWS))
    assert max(map(width, lines)) == 70
    assert lines[2].endswith(CUT)
    assert all(str(row["id"]) in line for row, line in zip(ROWS, lines[1:], strict=True))


def test_the_widest_columns_are_cut_first_and_ids_never() -> None:
    row = {"id": "i" * 36, "one": "o" * 60, "two": "t" * 50, "three": "h" * 9}
    _, line = Table(width_max=100).lines([row])
    cells = line.split("  ")
    assert [len(cell) for cell in cells] == [36, 24, 24, 9]
    _, line = Table(width_max=10).lines([row])
    assert [len(cell) for cell in line.split("  ")] == [36, *[COLUMN_WIDTH_MIN] * 3]


def test_rows_that_come_later_have_no_second_header_and_line_up() -> None:
    table = Table(("sequence", "type"))
    first = list(table.lines([{"sequence": 10, "type": "JobRequested"}]))
    assert len(first) == 2
    (line,) = table.lines([{"sequence": 9, "type": "CreditsReserved"}])
    assert line == "       9  CreditsReserved"
    assert not list(table.lines([]))


def test_wide_characters_take_two_columns() -> None:
    _, first, second = Table().lines([{"a": "日本", "b": "x"}, {"a": "abcd", "b": "x"}])
    assert width(first) == width(second)
    (_, line) = Table(width_max=10).lines([{"a": "日本" * 10}])
    assert width(line) <= 10


@pytest.mark.usefixtures("new_york")
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        ([], "-"),
        ({}, "-"),
        (True, "yes"),
        (False, "no"),
        (2.0, "2"),
        (2.5, "2.5"),
        ("2026-07-01T12:00:00.123Z", "2026-07-01 08:00:00-04"),
        ("2026-01-01T12:00:00Z", "2026-01-01 07:00:00-05"),
        ("at 2026-01-01T12:00:00Z", "at 2026-01-01T12:00:00Z"),
        (["job.completed", "job.failed"], "job.completed, job.failed"),
        ({"sealed": True}, "(sealed)"),
        ({"a": [None]}, '{"a":[null]}'),
        ("a\x1b[31mb", "a\ufffd[31mb"),
    ],
)
def test_a_value_is_shown_in_words_and_times_in_the_own_zone(value: object, text: str) -> None:
    assert plain(value) == text


def test_a_cell_is_one_line() -> None:
    _, line = Table().lines([{"a": "one\ntwo"}])
    assert line == "one two"


def test_what_lies_deeper_in_a_document_is_named_by_its_path_or_is_a_table() -> None:
    document = {
        "id": "j",
        "error": {"code": "deadline", "message": "It took longer."},
        "input": {"sealed": True},
        "steps": [{"step": 2, "name": "Offer"}],
        "artifacts": [],
    }
    assert list(document_lines(document)) == [
        "id: j",
        "error.code: deadline",
        "error.message: It took longer.",
        "input: (sealed)",
        "steps:",
        "  STEP  NAME",
        "     2  Offer",
        "artifacts: -",
    ]


def test_a_terminal_obeys_nothing_that_a_server_says(capsys: pytest.CaptureFixture[str]) -> None:
    """Names of fields and messages too: what answers at a URL need not be a Darkroom."""
    evil = "\x1b]0;x\x07\x9b2J"
    say(f"darkroom: {evil}")
    said = capsys.readouterr().err
    shown = [*Table().lines([{evil: evil}]), *document_lines({evil: {evil: [[evil]]}}), said]
    assert not [line for line in shown if any(character in line for character in "\x1b\x07\x9b")]
