"""Ranges of bytes, as RFC 9110 has them."""

import pytest

from domain.refusals import Refused
from services.api.handlers.byte_ranges import ByteSpan, span_of

TAG = '"a"'


@pytest.mark.parametrize(
    ("asked", "span"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=0-99", (0, 100)),
        ("bytes=10-", (10, 100)),
        ("bytes=10-500", (10, 100)),
        ("bytes=-1", (99, 100)),
        ("bytes=-500", (0, 100)),
        ("Bytes= 5-6 ", (5, 7)),
    ],
)
def test_a_range_is_cut_to_what_there_is(asked: str, span: tuple[int, int]) -> None:
    assert span_of(asked, "", TAG, 100) == ByteSpan(*span)


@pytest.mark.parametrize(
    "asked",
    ["", "bytes=", "bytes=-", "bytes=6-5", "bytes=a-b", "items=0-1", "bytes=0-1,4-5", "bytes=٣-٤"],
)
def test_what_is_no_single_range_of_bytes_gets_the_whole_file(asked: str) -> None:
    assert span_of(asked, "", TAG, 100) is None


@pytest.mark.parametrize(
    "asked", ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=" + "9" * 18 + "-"]
)
def test_a_range_that_is_not_there_is_refused_with_the_size(asked: str) -> None:
    with pytest.raises(Refused) as refused:
        span_of(asked, "", TAG, 100)
    assert (refused.value.code, refused.value.extra) == ("range_not_satisfiable", {"bytes": 100})


def test_a_range_of_another_version_gets_the_whole_file() -> None:
    assert span_of("bytes=0-1", TAG, TAG, 100) == ByteSpan(0, 2)
    for condition in ('"b"', f"W/{TAG}", "Sun, 22 Nov 2026 00:00:00 GMT"):
        assert span_of("bytes=0-1", condition, TAG, 100) is None


def test_a_range_says_where_it_stands() -> None:
    assert ByteSpan(10, 20).content_range(100) == "bytes 10-19/100"
