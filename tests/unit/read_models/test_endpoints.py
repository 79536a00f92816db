"""Which endpoints hear of an end: the own ones, and the owner's, as the log has them by then."""

from typing import Any

import pytest
from msgspec import structs
from sqlalchemy import Connection, select

import read_models
from contracts.commit import Recorded
from contracts.events import (
    AccountOpened,
    AnyEvent,
    EndpointRegistered,
    EndpointRemoved,
    JobCancelled,
    NotificationFailed,
    NotificationRequested,
    NotificationSent,
    RunCancelled,
)
from contracts.ids import AccountId, EndpointId, JobId, RunId
from contracts.subjects import account_subject, evidence_subject, job_subject, run_subject
from domain.endpoints import ALL_TYPES
from read_models import deliveries, endpoints
from tests.support.examples import ACCOUNT, OTHER, SEALED, a_job_id, recorded

SERVICE = AccountId("service")
OWN, OWNERS = EndpointId("ep_own"), EndpointId("ep_owner")
RUN = RunId(a_job_id())
OPENED = AccountOpened(account_id=ACCOUNT, owner=SERVICE)


def at_own(**changes: Any) -> EndpointRegistered:
    found = EndpointRegistered(
        account_id=ACCOUNT, endpoint_id=OWN, url=SEALED, types=ALL_TYPES, hears_owned=True
    )
    return structs.replace(found, **changes)


def at_owner(**changes: Any) -> EndpointRegistered:
    return at_own(account_id=SERVICE, endpoint_id=OWNERS, **changes)


def ended(job: str, account: AccountId = ACCOUNT) -> JobCancelled:
    return JobCancelled(job_id=JobId(job), account_id=account, by="t", reason="r")


def log_of(*events: AnyEvent) -> list[Recorded]:
    return [
        recorded(number, _subject_of(event), event, seconds=number)
        for number, event in enumerate(events, start=1)
    ]


def _subject_of(event: Any) -> Any:
    if isinstance(event, JobCancelled):
        return job_subject(event.job_id)
    if isinstance(event, RunCancelled):
        return run_subject(event.run_id)
    if isinstance(event, NotificationSent | NotificationFailed):
        return evidence_subject("notification")
    return account_subject(event.account_id)


@pytest.fixture(params=[1, 2, 100])
def size(request: pytest.FixtureRequest) -> int:
    """How many commits one transaction projects must make no difference."""
    return int(request.param)


def heard(connection: Connection, size: int, *events: AnyEvent) -> list[tuple[str, str]]:
    """Project the log; return which endpoint hears of what."""
    log = log_of(*events)
    for start in range(0, len(log), size):
        read_models.apply(connection, log[start : start + size])
    found = connection.execute(select(deliveries.table)).all()
    return sorted((row.endpoint_id, row.object_id) for row in found)


def test_the_accounts_own_endpoint_and_its_owners_both_hear(
    connection: Connection, size: int
) -> None:
    found = heard(connection, size, at_owner(), OPENED, at_own(), ended("a"))
    assert found == [(OWN, "a"), (OWNERS, "a")]
    of_owner = deliveries.find(connection, f"{OWNERS}.a")
    assert of_owner is not None
    assert (of_owner.account_id, of_owner.object_account_id) == (SERVICE, ACCOUNT)


def test_a_run_is_heard_of_by_the_owner_too(connection: Connection, size: int) -> None:
    cancelled = RunCancelled(run_id=RUN, account_id=ACCOUNT, by="t")
    assert heard(connection, size, at_owner(), OPENED, cancelled) == [(OWNERS, RUN)]


def test_nobody_hears_of_accounts_that_are_not_theirs(connection: Connection, size: int) -> None:
    of_operator = AccountOpened(account_id=OTHER, owner=None)
    events = (at_owner(), OPENED, at_own(), of_operator, ended("other", OTHER))
    assert heard(connection, size, *events, ended("of-service", SERVICE)) == [
        (OWNERS, "of-service")
    ]


def test_an_endpoint_hears_of_what_the_log_has_after_its_registration(
    connection: Connection, size: int
) -> None:
    gone = EndpointRemoved(account_id=SERVICE, endpoint_id=OWNERS)
    events = (OPENED, ended("before"), at_owner(), ended("while"), gone, ended("after"))
    assert heard(connection, size, *events) == [(OWNERS, "while")]


def test_a_change_counts_from_its_place_in_the_log(connection: Connection, size: int) -> None:
    off, some = at_owner(enabled=False), at_owner(types=("job.completed",))
    events = (OPENED, at_owner(), ended("1"), off, ended("2"), some, ended("3"), at_owner())
    assert heard(connection, size, *events, ended("4")) == [(OWNERS, "1"), (OWNERS, "4")]


def test_an_endpoint_from_before_hears_of_its_own_account_until_it_is_changed(
    connection: Connection, size: int
) -> None:
    """Else a rebuild would announce all that ended in owned accounts in the past."""
    old = at_owner(hears_owned=False)
    events = (OPENED, old, ended("old"), ended("own", SERVICE), at_owner(), ended("new"))
    assert heard(connection, size, *events) == [(OWNERS, "new"), (OWNERS, "own")]


def test_an_older_process_that_changes_an_endpoint_takes_nothing_from_it(
    connection: Connection, size: int
) -> None:
    changed = at_owner(hears_owned=False)
    assert heard(connection, size, OPENED, at_owner(), changed, ended("a")) == [(OWNERS, "a")]


def test_an_owners_delivery_is_recorded_sent_again_and_disabled_in_its_own_account(
    connection: Connection, size: int
) -> None:
    name = f"{OWNERS}.a"
    about: dict[str, Any] = {"account_id": SERVICE, "endpoint_id": OWNERS, "delivery_id": name}
    events = (OPENED, at_owner(), ended("a"), NotificationSent(**about, number=1, status=200))
    heard(connection, size, *events)
    sent = deliveries.find(connection, name)
    assert sent is not None
    assert sent.next_at is None
    more = log_of(*events, NotificationRequested(**about))[len(events) :]
    read_models.apply(connection, more)
    again = deliveries.find(connection, name)
    assert again is not None
    assert again.next_at is not None
    last = NotificationFailed(**about, number=1, reason="HTTP 410", status=410, disables=True)
    read_models.apply(connection, log_of(*events, *more[0].commit.events, last)[-1:])
    assert not endpoints.of_account(connection, SERVICE)[OWNERS].enabled


def test_an_endpoint_of_an_account_with_an_owner_leaves_the_owner_known(
    connection: Connection, size: int
) -> None:
    gone = EndpointRemoved(account_id=ACCOUNT, endpoint_id=OWN)
    assert heard(connection, size, OPENED, at_owner(), at_own(), gone, ended("a")) == [
        (OWNERS, "a")
    ]
