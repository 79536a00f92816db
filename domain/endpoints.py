"""An account's endpoints: how many there may be, at which URLs, and what each hears of."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import assert_never
from urllib.parse import urlsplit

from msgspec import Struct

from contracts.events import (
    AccountEvent,
    EndpointRegistered,
    EndpointRemoved,
    EndpointSecretRotated,
    NotificationRequested,
)
from contracts.ids import AccountId, EndpointId
from contracts.sealed import Sealed
from domain.addresses import check_url, in_url, is_among
from domain.notifications import TYPES
from domain.refusals import Refused, invalid
from domain.text import InvalidField

ENDPOINTS_MAX = 10
ALL_TYPES = tuple(TYPES.values())


class Registered(Struct, frozen=True):
    """What is registered under an id."""

    url: Sealed
    types: tuple[str, ...]
    enabled: bool = True


class RegisterEndpoint(Struct, frozen=True):
    """`secret` is given where the answer may be asked for again."""

    endpoint_id: EndpointId
    url: Sealed
    types: tuple[str, ...]
    secret: Sealed | None = None


class ChangeEndpoint(Struct, frozen=True, kw_only=True):
    """What is None stays as it is."""

    endpoint_id: EndpointId
    url: Sealed | None = None
    types: tuple[str, ...] | None = None
    enabled: bool | None = None


class RotateSecret(Struct, frozen=True):
    endpoint_id: EndpointId
    secret: Sealed | None = None


class RemoveEndpoint(Struct, frozen=True):
    endpoint_id: EndpointId


class RequestNotification(Struct, frozen=True):
    endpoint_id: EndpointId
    delivery_id: str


EndpointCommand = (
    RegisterEndpoint | ChangeEndpoint | RotateSecret | RemoveEndpoint | RequestNotification
)
EndpointEvent = EndpointRegistered | EndpointSecretRotated | EndpointRemoved | NotificationRequested
Endpoints = Mapping[EndpointId, Registered]


def address_to_check(url: str, allowed_hosts: AbstractSet[str]) -> tuple[str, int] | None:
    """Return the host and port that have to be public, None for an allowed host. Raise Refused for
    what is no web address, and where anybody could read along.
    """
    try:
        check_url("url", url)
    except InvalidField as error:
        raise invalid("url", error.message) from None
    host, port = host_and_port(url)
    if is_among(host, port, allowed_hosts):
        return None
    if urlsplit(url).scheme != "https":
        raise invalid("url", f"must be an https URL; {advice(host, port)}")
    return host, port


def host_and_port(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def advice(host: str, port: int) -> str:
    """Say what allows a server of one's own, which is on a private address or takes plain http."""
    return f"for a server of your own set WEBHOOK_HOSTS_ALLOWED={in_url(host)}:{port}"


def checked_types(wanted: Sequence[str] | None) -> tuple[str, ...]:
    """Return the types of events that are wanted, once each: without a choice, all of them."""
    if wanted is None:
        return ALL_TYPES
    if not set(wanted) <= set(ALL_TYPES):
        raise invalid("types", f"must be of {', '.join(ALL_TYPES)}")
    return tuple(dict.fromkeys(wanted))


def decide_endpoint(command: EndpointCommand, account: AccountId, known: Endpoints) -> AccountEvent:
    """Return what happens; raise Refused for one too many, or one that is not there."""
    if isinstance(command, RegisterEndpoint):
        return _register(command, account, known)
    endpoint_id = command.endpoint_id
    found = known.get(endpoint_id)
    if found is None:
        raise Refused("not_found", "there is no such endpoint in this account")
    match command:
        case ChangeEndpoint():
            return _change(command, account, found)
        case RotateSecret(secret=secret):
            return EndpointSecretRotated(account_id=account, endpoint_id=endpoint_id, secret=secret)
        case RemoveEndpoint():
            return EndpointRemoved(account_id=account, endpoint_id=endpoint_id)
        case RequestNotification(delivery_id=delivery_id):
            return NotificationRequested(
                account_id=account, endpoint_id=endpoint_id, delivery_id=delivery_id
            )
        case _:
            assert_never(command)


def evolve_endpoints(known: Endpoints, event: EndpointEvent) -> Endpoints:
    match event:
        case EndpointRegistered(endpoint_id=endpoint_id, url=url, types=types, enabled=enabled):
            return {**known, endpoint_id: Registered(url, types, enabled)}
        case EndpointRemoved(endpoint_id=endpoint_id):
            return {each: found for each, found in known.items() if each != endpoint_id}
        case EndpointSecretRotated() | NotificationRequested():
            return known
        case _:
            assert_never(event)


def _register(
    command: RegisterEndpoint, account: AccountId, known: Endpoints
) -> EndpointRegistered:
    if len(known) >= ENDPOINTS_MAX:
        raise Refused("too_many_endpoints", f"{ENDPOINTS_MAX} are registered")
    return EndpointRegistered(
        account_id=account,
        endpoint_id=command.endpoint_id,
        url=command.url,
        types=command.types,
        secret=command.secret,
        hears_owned=True,
    )


def _change(command: ChangeEndpoint, account: AccountId, found: Registered) -> EndpointRegistered:
    return EndpointRegistered(
        account_id=account,
        endpoint_id=command.endpoint_id,
        url=found.url if command.url is None else command.url,
        types=found.types if command.types is None else command.types,
        enabled=found.enabled if command.enabled is None else command.enabled,
        hears_owned=True,
    )
