"""Lists of jobs: which statuses are asked for, and where a page goes on."""

import pytest

from domain.job_status import JobStatus
from domain.refusals import Refused
from services.api.handlers.show_jobs import _place_of, _statuses


def test_without_a_status_jobs_of_every_status_are_listed() -> None:
    assert _statuses(None) == frozenset(JobStatus)


@pytest.mark.parametrize("text", ["completed", "COMPLETED", "Completed"])
def test_a_status_may_be_written_in_any_case(text: str) -> None:
    assert _statuses(text) == {JobStatus.COMPLETED}


def test_failed_includes_the_cancelled_which_the_views_show_as_failed() -> None:
    assert _statuses("failed") == {JobStatus.FAILED, JobStatus.CANCELLED}
    assert _statuses("cancelled") == {JobStatus.CANCELLED}


@pytest.mark.parametrize("text", ["", "done", "pending,failed", " pending"])
def test_an_unknown_status_is_refused_and_the_known_ones_named(text: str) -> None:
    with pytest.raises(Refused) as caught:
        _statuses(text)
    (error,) = caught.value.errors
    assert error["field"] == "status"
    assert all(str(status) in error["message"] for status in JobStatus)


def test_a_page_goes_on_after_the_place_that_the_cursor_names() -> None:
    assert _place_of(None) is None
    assert _place_of("0") == 0
    assert _place_of("9" * 18) == 10**18 - 1


@pytest.mark.parametrize("cursor", ["", "-1", "1.5", "1 ", "e.1.0", "9" * 19, "\u0661", "1\n"])
def test_what_is_no_cursor_of_a_list_is_refused(cursor: str) -> None:
    with pytest.raises(Refused) as caught:
        _place_of(cursor)
    assert caught.value.errors[0]["field"] == "cursor"
