"""Lists of jobs: which statuses are asked for."""

import pytest

from domain.refusals import Refused
from domain.statuses import JobStatus
from services.api.handlers.list_jobs import _as_shown, _statuses


def test_without_a_status_jobs_of_every_status_are_listed() -> None:
    assert _statuses(None) == frozenset(JobStatus)


@pytest.mark.parametrize("text", ["completed", "COMPLETED", "Completed"])
def test_a_status_may_be_written_in_any_case(text: str) -> None:
    assert _statuses(text) == {JobStatus.COMPLETED}


def test_jobs_are_listed_by_the_status_that_they_show() -> None:
    assert _statuses("failed") == {JobStatus.FAILED}
    assert _statuses("cancelled") == {JobStatus.CANCELLED}


def test_failed_infographs_include_the_cancelled_which_are_shown_as_failed() -> None:
    assert _as_shown(_statuses("failed")) == {JobStatus.FAILED, JobStatus.CANCELLED}
    assert _as_shown(_statuses("cancelled")) == {JobStatus.CANCELLED}
    assert _as_shown(_statuses("pending")) == {JobStatus.PENDING}


@pytest.mark.parametrize("text", ["", "done", "pending,failed", " pending"])
def test_an_unknown_status_is_refused_and_the_known_ones_named(text: str) -> None:
    with pytest.raises(Refused) as caught:
        _statuses(text)
    (error,) = caught.value.errors
    assert error["field"] == "status"
    assert all(str(status) in error["message"] for status in JobStatus)
