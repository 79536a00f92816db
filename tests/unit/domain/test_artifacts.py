"""The limits of what jobs make, and the names of their files."""

from collections.abc import Callable
from functools import partial

import pytest

from contracts.ids import JobId
from domain import artifacts
from domain.artifacts import (
    ArtifactRefused,
    Place,
    is_too_late,
    key_of,
    recognise,
    shown_media_type,
)
from domain.media_types import FORMATS, PICTURES, MediaType
from tests.support.examples import ACCOUNT, OTHER

HOUR_MICROS = 3600 * 1_000_000


@pytest.mark.parametrize(
    ("check", "most"),
    [
        (artifacts.check_count, artifacts.OUTPUTS_MAX),
        (artifacts.check_text_size, artifacts.TEXT_BYTES_MAX),
        *(
            (partial(artifacts.check_file_size, media_type), found.bytes_max)
            for media_type, found in FORMATS.items()
        ),
        (lambda pixels: artifacts.check_picture_size(pixels, 1), artifacts.PIXELS_MAX),
    ],
)
def test_what_is_at_its_limit_is_taken_and_more_is_not(
    check: Callable[[int], None], most: int
) -> None:
    check(most)
    with pytest.raises(ArtifactRefused) as refused:
        check(most + 1)
    assert refused.value.code == "bad_result"


def test_a_result_may_wait_six_hours_to_be_stored() -> None:
    assert [is_too_late(0, hours * HOUR_MICROS) for hours in (6, 7)] == [False, True]


def test_a_name_is_its_accounts_its_jobs_its_places_and_its_contents_own() -> None:
    names = {
        key_of(b"secret", account, Place(JobId(job), index), digest)
        for account in (ACCOUNT, OTHER)
        for job in ("a", "b")
        for index in (0, 1)
        for digest in ("x", "y")
    }
    assert len(names) == 16
    assert key_of(b"secret", ACCOUNT, Place(JobId("a"), 0), "x") in names, "the same each time"


def test_a_linked_file_is_called_what_the_provider_says_if_its_kind_makes_that() -> None:
    films = (MediaType.MP4, MediaType.WEBM)
    assert [shown_media_type(said, films) for said in ("video/webm", "image/png", "<b>", None)] == [
        "video/webm",
        *["video/mp4"] * 3,
    ]
    assert shown_media_type("image/webp", PICTURES) == "image/webp"


def test_only_what_a_kind_makes_is_accepted_and_json_is_a_text_too() -> None:
    text = (MediaType.TEXT,)
    assert recognise(b'{"a": 1}', text) is MediaType.TEXT
    assert recognise(b'{"a": 1}', (MediaType.JSON, MediaType.TEXT)) is MediaType.JSON
    for head, accepted in ((b"GIF89a", PICTURES), (b"\x00\x01", text), (b"", text)):
        with pytest.raises(ArtifactRefused) as refused:
            recognise(head, accepted)
        assert refused.value.code == "bad_result"
