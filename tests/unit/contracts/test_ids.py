"""Ids are one token of a subject, and a job's id is a UUIDv7."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.ids import (
    BadId,
    account_id,
    checked,
    job_id,
    new_job_id,
)


@pytest.mark.parametrize(
    "text", ["", "a.b", "a b", "a*", "a>", "ä", "a\n", "x" * 65, "a/b", "\x00"]
)
def test_what_would_reach_into_another_subject_is_no_id(text: str) -> None:
    with pytest.raises(BadId):
        checked(text)


@given(st.text())
def test_only_the_documented_form_is_an_id(text: str) -> None:
    allowed = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
    if 1 <= len(text) <= 64 and set(text) <= allowed:
        assert account_id(text) == text
    else:
        with pytest.raises(BadId):
            account_id(text)


def test_a_job_id_is_a_uuid7_with_the_time_and_random_bits() -> None:
    made = new_job_id(0x0123456789AB, 0)
    assert made == "01234567-89ab-7000-8000-000000000000"
    assert new_job_id(0x0123456789AB, (1 << 74) - 1) == "01234567-89ab-7fff-bfff-ffffffffffff"


@given(st.integers(0, 2**80 - 1), st.integers(0, 2**48 - 1))
def test_every_new_job_id_is_well_formed(entropy: int, milliseconds: int) -> None:
    made = new_job_id(milliseconds, entropy)
    assert job_id(made) == made


@pytest.mark.parametrize("text", ["1", "01234567-89ab-42a9-8000-000000000000", "", "x" * 36])
def test_other_forms_are_no_job_ids(text: str) -> None:
    with pytest.raises(BadId):
        job_id(text)
