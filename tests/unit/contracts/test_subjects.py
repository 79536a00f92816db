"""Subjects are built from checked ids only."""

import pytest

from contracts.ids import AccountId, BadId, JobId
from contracts.subjects import account_subject, boundary_of, evidence_subject, job_subject


def test_each_boundary_has_one_literal_subject() -> None:
    assert account_subject(AccountId("acme")) == "log.account.acme"
    assert job_subject(JobId("j-1")) == "log.job.j-1"
    assert evidence_subject("result") == "log.evidence.result"


def test_an_id_that_was_never_checked_is_still_refused() -> None:
    with pytest.raises(BadId):
        account_subject(AccountId("acme.eu"))
    with pytest.raises(BadId):
        job_subject(JobId("*"))


def test_a_subject_tells_its_boundary_and_id() -> None:
    assert boundary_of("log.job.j-1") == ("job", "j-1")
    assert boundary_of("log.operator") == ("operator", "")
