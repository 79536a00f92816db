"""Endpoints: the URLs at which an account is notified, one row an account, and whose account it is:
the owner's endpoints hear of it too.
"""

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct, structs
from sqlalchemy import BigInteger, Column, Connection, LargeBinary, Table, Text, bindparam, select

from contracts.events import (
    AccountOpened,
    EndpointRegistered,
    EndpointRemoved,
    Event,
    NotificationFailed,
    NotificationSent,
)
from contracts.ids import AccountId, EndpointId
from contracts.sealed import Sealed
from domain.notifications import TYPES
from read_models import deliveries
from read_models.tables import METADATA
from read_models.unit_of_work import At, Model, UnitOfWork, key_by

table = Table(
    "endpoints",
    METADATA,
    Column("account_id", Text, primary_key=True),
    Column("owner", Text),  # The account of the service that made this one.
    Column("endpoints", LargeBinary, nullable=False),
    Column("sequence", BigInteger, nullable=False),
)


class Endpoint(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`failing_since` is the time of the first failure after the last success, in microseconds."""

    endpoint_id: EndpointId
    url: Sealed
    types: tuple[str, ...]
    created_at: int
    enabled: bool = True
    hears_owned: bool = False
    failing_since: int | None = None


Endpoints = dict[EndpointId, Endpoint]
_decoder = msgspec.json.Decoder(Endpoints)


def project(event: Any, at: At, unit: UnitOfWork) -> None:
    account, owner = event.account_id, _owner(event, unit)
    known = _known(account, unit)
    if type(event) in TYPES:
        _owe(event, account, known.values(), at, unit)
        if owner is not None:
            hearing = [each for each in _known(owner, unit).values() if each.hears_owned]
            _owe(event, owner, hearing, at, unit)
        return
    changed = _changed(known, event, at)
    if changed != known or owner != _owner_before(account, unit):
        new = {"account_id": account, "owner": owner, "endpoints": msgspec.json.encode(changed)}
        unit.put(table, account, new | {"sequence": at.sequence})


def _owe(
    event: Any, account: AccountId, endpoints: Iterable[Endpoint], at: At, unit: UnitOfWork
) -> None:
    for endpoint in endpoints:
        if endpoint.enabled and TYPES[type(event)] in endpoint.types:
            deliveries.owe(event, account, endpoint.endpoint_id, at, unit)


def _known(account: AccountId, unit: UnitOfWork) -> Endpoints:
    row = unit.peek(table, account)
    return _decoder.decode(row["endpoints"]) if row is not None else {}


def _owner(event: Any, unit: UnitOfWork) -> AccountId | None:
    if isinstance(event, AccountOpened):
        return event.owner
    return _owner_before(event.account_id, unit)


def _owner_before(account: AccountId, unit: UnitOfWork) -> AccountId | None:
    row = unit.peek(table, account)
    return row["owner"] if row is not None else None


def _changed(known: Endpoints, event: Any, at: At) -> Endpoints:
    endpoint = known.get(EndpointId(getattr(event, "endpoint_id", "")))
    match event:
        case EndpointRegistered(endpoint_id=endpoint_id, url=url, types=types, enabled=enabled):
            created_at = endpoint.created_at if endpoint is not None else at.micros
            fresh = Endpoint(
                endpoint_id=endpoint_id,
                url=url,
                types=types,
                enabled=enabled,
                hears_owned=event.hears_owned or (endpoint is not None and endpoint.hears_owned),
                created_at=created_at,
            )
            return {**known, endpoint_id: fresh}
        case EndpointRemoved(endpoint_id=endpoint_id):
            return {each: found for each, found in known.items() if each != endpoint_id}
        case NotificationSent() if endpoint is not None:
            healed = structs.replace(endpoint, failing_since=None)
            return {**known, endpoint.endpoint_id: healed}
        case NotificationFailed(disables=disables) if endpoint is not None:
            since = endpoint.failing_since or at.micros
            enabled = endpoint.enabled and not disables
            failing = structs.replace(endpoint, failing_since=since, enabled=enabled)
            return {**known, endpoint.endpoint_id: failing}
    return known


_CHANGES: frozenset[type[Event]] = frozenset(
    {AccountOpened, EndpointRegistered, EndpointRemoved, NotificationSent, NotificationFailed}
)
MODEL = Model(table, _CHANGES | TYPES.keys(), key_by("account_id"), project, also=_owner)

_BY_ID = select(table.c.endpoints).where(table.c.account_id == bindparam("account_id"))


def of_account(connection: Connection, account: AccountId) -> Endpoints:
    """Return the account's endpoints by id, in the order of their registration."""
    found = connection.execute(_BY_ID, {"account_id": account}).scalar_one_or_none()
    return _decoder.decode(found) if found is not None else {}
