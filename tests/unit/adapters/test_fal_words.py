"""fal's words can be kept and shown, whatever they hold."""

from typing import Any

import httpx
import pytest

from adapters import fal
from adapters.fal_words import (
    is_request_id,
    lines_of,
    place_of,
    retry_after_of,
    text_of,
)

STRANGE = "\x00\x07\x0c\x7f\x85\ud800\u202e"


@pytest.mark.parametrize("text", ["", "a\x00", "a\x7f", "a\n", "x" * 201, None, 7, "a\ud800"])
def test_an_id_that_no_row_could_be_found_by_is_none(text: Any) -> None:
    assert not is_request_id(text)


def test_lines_of_a_log_are_lines() -> None:
    logs = [{"message": f"a{STRANGE}b"}, {"message": 7}, "x", {"message": "y" * 400}]
    first, second = lines_of(logs)
    assert not set(first) & set(STRANGE)
    assert (first[0], first[-1], len(second)) == ("a", "b", 300)
    assert lines_of({"message": "x"}) == ()


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999", "soon", ""])
def test_a_pause_is_a_number_of_seconds_or_none(value: str) -> None:
    assert retry_after_of({"retry-after": value}) is None


@pytest.mark.parametrize("value", [-1, 2**70, "3", None, 1.5])
def test_a_place_in_the_queue_is_a_count_or_none(value: Any) -> None:
    assert place_of(value) is None


@pytest.mark.parametrize("charset", ["unicode_escape", "utf-16", "hex", "no-such"])
def test_words_are_read_whatever_charset_they_claim(charset: str) -> None:
    headers = {"content-type": f"text/plain; charset={charset}"}
    text = text_of(httpx.Response(500, headers=headers, content=rb"no \ud800 \x00"))
    text.encode()


def test_words_of_a_refusal_are_clean() -> None:
    found = fal.classify(503, {}, f"down{STRANGE}")
    assert isinstance(found, fal.SubmissionRefused)
    assert not set(found.words) & set("\x00\x07\x0c\x7f\x85\ud800")
