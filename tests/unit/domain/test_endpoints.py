"""How many endpoints an account may have, and what a change leaves as it is."""

import pytest

from contracts.events import (
    EndpointRegistered,
    EndpointRemoved,
    EndpointSecretRotated,
    NotificationRequested,
)
from contracts.ids import EndpointId
from contracts.sealed import Sealed
from domain.account import Account, decide, evolve
from domain.endpoints import (
    ALL_TYPES,
    ENDPOINTS_MAX,
    ChangeEndpoint,
    EndpointCommand,
    RegisterEndpoint,
    RemoveEndpoint,
    RequestNotification,
    RotateSecret,
    address_to_check,
    checked_types,
)
from domain.refusals import Refused
from tests.support.deciders import Given
from tests.support.examples import ACCOUNT, SEALED

ENDPOINT = EndpointId("ep_1")
OTHER_URL = Sealed(box=b"another")


def registered(number: int = 1) -> EndpointRegistered:
    endpoint = EndpointId(f"ep_{number}")
    return EndpointRegistered(account_id=ACCOUNT, endpoint_id=endpoint, url=SEALED, types=("a",))


def given(*history: object) -> Given[Account, object, object]:
    return Given(decide, evolve, Account(id=ACCOUNT), *history)  # type: ignore[arg-type]


def test_an_account_has_at_most_so_many_endpoints() -> None:
    some = [registered(number) for number in range(ENDPOINTS_MAX)]
    one_more = RegisterEndpoint(EndpointId("more"), SEALED, ("a",))
    given(*some[1:]).when(one_more).then_kinds(EndpointRegistered)
    given(*some).when(one_more).then_refused("too_many_endpoints")
    removed = EndpointRemoved(account_id=ACCOUNT, endpoint_id=some[0].endpoint_id)
    given(*some, removed).when(one_more).then_kinds(EndpointRegistered)


def test_a_change_leaves_what_it_does_not_name() -> None:
    off = ChangeEndpoint(endpoint_id=ENDPOINT, enabled=False)
    outcome = given(registered()).when(off)
    (changed,) = outcome.events
    assert (changed.url, changed.types, changed.enabled) == (SEALED, ("a",), False)
    moved = ChangeEndpoint(endpoint_id=ENDPOINT, url=OTHER_URL, types=("b",))
    (changed,) = given(registered(), changed).when(moved).events
    assert (changed.url, changed.types, changed.enabled) == (OTHER_URL, ("b",), False)


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        (ChangeEndpoint(endpoint_id=ENDPOINT, enabled=True), EndpointRegistered),
        (RotateSecret(ENDPOINT), EndpointSecretRotated),
        (RemoveEndpoint(ENDPOINT), EndpointRemoved),
        (RequestNotification(ENDPOINT, "d"), NotificationRequested),
    ],
)
def test_what_was_removed_is_neither_changed_nor_told(
    command: EndpointCommand, kind: type[object]
) -> None:
    removed = EndpointRemoved(account_id=ACCOUNT, endpoint_id=ENDPOINT)
    given(registered()).when(command).then_kinds(kind)
    given(registered(), removed).when(command).then_refused("not_found")
    given().when(command).then_refused("not_found")


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://a.example/hook", ("a.example", 443)),
        ("https://a.example:8443/hook", ("a.example", 8443)),
        ("http://localhost:9000/", None),
    ],
)
def test_an_endpoint_is_at_an_https_url_or_at_an_allowed_host(
    url: str, address: tuple[str, int] | None
) -> None:
    assert address_to_check(url, {"localhost:9000"}) == address


def test_a_refused_address_names_the_setting_that_allows_it() -> None:
    with pytest.raises(Refused, match=r"WEBHOOK_HOSTS_ALLOWED=localhost:80\b"):
        address_to_check("http://localhost/hook", {"localhost:9000"})
    with pytest.raises(Refused, match=r"WEBHOOK_HOSTS_ALLOWED=\[::1\]:9999\b"):
        address_to_check("http://[::1]:9999/hook", frozenset())


@pytest.mark.parametrize("url", ["http://a.example/", "ftp://a.example/", "http://localhost/", " "])
def test_any_other_url_is_refused(url: str) -> None:
    with pytest.raises(Refused, match="url: "):
        address_to_check(url, {"localhost:9000"})


def test_an_endpoint_is_told_of_all_types_or_of_those_that_were_chosen_once_each() -> None:
    assert checked_types(None) == ALL_TYPES
    assert checked_types(["job.failed", "job.failed"]) == ("job.failed",)
    with pytest.raises(Refused, match="types: "):
        checked_types(["job.deleted"])
