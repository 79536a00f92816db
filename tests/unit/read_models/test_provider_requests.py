"""Attempts that never learnt their request: the provider's listing is read with all of them."""

import pytest
from msgspec import structs
from sqlalchemy import Connection

import read_models
from contracts.events import AnyEvent
from read_models import provider_requests
from tests.support import examples
from tests.unit.read_models.test_read_models import (
    DONE,
    JOB,
    RECEIVED,
    STARTED,
    SUBMITTED,
    attempt_failed,
    history,
)

GIVEN_UP = ("job", (attempt_failed(may_have_run=True, seconds=3),))
AGAIN = ("job", (structs.replace(examples.started(JOB), attempt=2),))
TAKEN = structs.replace(examples.submitted(JOB), attempt=2, request_id="request-2")
SECOND_TAKEN = ("evidence", (TAKEN,))


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ((STARTED,), []),
        ((STARTED, GIVEN_UP), [(JOB, 1)]),
        ((STARTED, GIVEN_UP, AGAIN, RECEIVED), [(JOB, 2)]),
        ((STARTED, GIVEN_UP, RECEIVED, AGAIN, DONE), [(JOB, 2)]),
        ((STARTED, GIVEN_UP, AGAIN, RECEIVED, DONE, SECOND_TAKEN), []),
        ((STARTED, SUBMITTED, RECEIVED, DONE), []),
    ],
)
def test_an_attempt_that_an_older_ones_result_overtook_is_still_unanswered(
    connection: Connection,
    more: tuple[tuple[str, tuple[AnyEvent, ...]], ...],
    expected: list[tuple[str, int]],
) -> None:
    read_models.apply(connection, history(*more))
    assert provider_requests.lost(connection, 0, 9) == expected
