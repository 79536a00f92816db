"""The limits of what jobs make, and the names of their files."""

from collections.abc import Callable

import pytest

from contracts.ids import JobId
from domain import artifacts
from domain.artifacts import ArtifactRefused, Place, is_too_late, key_of, shown_media_type
from tests.support.examples import ACCOUNT, OTHER

HOUR_MICROS = 3600 * 1_000_000


@pytest.mark.parametrize(
    ("check", "most"),
    [
        (artifacts.check_count, artifacts.OUTPUTS_MAX),
        (artifacts.check_text_size, artifacts.TEXT_BYTES_MAX),
        (artifacts.check_file_size, artifacts.FILE_BYTES_MAX),
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


def test_a_media_type_is_shown_as_the_provider_says_it_if_it_is_one() -> None:
    assert [shown_media_type(said) for said in ("video/mp4", "<script>", None)] == [
        "video/mp4",
        "image/png",
        "image/png",
    ]
