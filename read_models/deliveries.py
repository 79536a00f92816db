"""Deliveries: what each endpoint is owed, was told, or could not be told."""

from typing import Any

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    Table,
    Text,
    bindparam,
    select,
    text,
)

from contracts.events import Event, NotificationFailed, NotificationRequested, NotificationSent
from contracts.ids import AccountId, EndpointId
from domain.delivery_status import DeliveryStatus
from domain.times import micros_of
from domain.turns import Turn
from read_models.turns import Lanes
from read_models.unit_of_work import METADATA, At, Micros, Model, UnitOfWork, key_by


def _waiting(name: str, *columns: str) -> Index:
    """An index of what waits only: what was sent long ago is never passed over."""
    waits = text("next_at IS NOT NULL")
    return Index(name, *columns, sqlite_where=waits, postgresql_where=waits)


table = Table(
    "deliveries",
    METADATA,
    Column("delivery_id", Text, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("endpoint_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("object_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Micros),  # None unless it waits.
    Column("last_status", Integer),
    Column("last_error", Text),
    Column("created_at", Micros, nullable=False),
    Column("updated_at", Micros, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    _waiting("deliveries_due", "next_at", "delivery_id"),
    _waiting("deliveries_due_of_endpoint", "endpoint_id", "next_at", "delivery_id"),
    Index("deliveries_of_endpoint", "endpoint_id", "created_at", "delivery_id"),
)


class Delivery(Struct, frozen=True, kw_only=True):
    """One row. `object_id` is the job's or the run's id; times are in microseconds."""

    delivery_id: str
    account_id: AccountId
    endpoint_id: EndpointId
    type: str
    object_id: str
    status: DeliveryStatus
    attempts: int
    next_at: int | None
    last_status: int | None
    last_error: str | None
    created_at: int
    updated_at: int
    sequence: int

    @property
    def key(self) -> str:
        return self.delivery_id

    @property
    def lane(self) -> str:
        return self.endpoint_id


def owe(event: Any, endpoint: EndpointId, wanted: str, at: At, unit: UnitOfWork) -> None:
    """An end that an endpoint wants to be told of. One object ends once, so it is owed once."""
    object_id = event.job_id if wanted.startswith("job.") else event.run_id
    delivery_id = f"{endpoint}.{object_id}"
    row = {
        "delivery_id": delivery_id,
        "account_id": event.account_id,
        "endpoint_id": endpoint,
        "type": wanted,
        "object_id": object_id,
        "status": DeliveryStatus.WAITING.value,
        "attempts": 0,
        "next_at": at.micros,
        "last_status": None,
        "last_error": None,
        "created_at": at.micros,
        "updated_at": at.micros,
        "sequence": at.sequence,
    }
    unit.put(table, delivery_id, row)


def project(event: Any, at: At, unit: UnitOfWork) -> None:
    row = unit.row(table, event.delivery_id)
    if row is None:
        return
    row |= {"updated_at": at.micros, "sequence": at.sequence}
    match event:
        case NotificationRequested():
            row |= {"status": DeliveryStatus.WAITING.value, "next_at": at.micros, "attempts": 0}
        case NotificationSent(number=number, status=status):
            row |= {"attempts": number, "last_status": status, "last_error": None}
            row |= {"status": DeliveryStatus.SENT.value, "next_at": None}
        case NotificationFailed(number=number, status=status, reason=reason, not_before=not_before):
            row |= {"attempts": number, "last_status": status, "last_error": reason}
            row["next_at"] = micros_of(not_before) if not_before is not None else None
            after = DeliveryStatus.FAILED if not_before is None else DeliveryStatus.WAITING
            row["status"] = after.value


_EVENTS: frozenset[type[Event]] = frozenset(
    {NotificationRequested, NotificationSent, NotificationFailed}
)
MODEL = Model(table, _EVENTS, key_by("delivery_id"), project)

_LANES = Lanes(
    table, key="delivery_id", lane="endpoint_id", due="next_at", where="next_at IS NOT NULL"
)
_OF_ENDPOINT = (
    select(table)
    .where(table.c.endpoint_id == bindparam("endpoint_id"))
    .order_by(table.c.created_at.desc(), table.c.delivery_id.desc())
    .limit(bindparam("limit"))
)


def due(connection: Connection, turn: Turn) -> list[Delivery]:
    """Return what is owed by now, in turn by endpoint."""
    return [_delivery(row) for row in _LANES.take(connection, turn)]


def of_endpoint(connection: Connection, endpoint: EndpointId, limit: int) -> list[Delivery]:
    """Return an endpoint's deliveries, newest first."""
    found = connection.execute(_OF_ENDPOINT, {"endpoint_id": endpoint, "limit": limit})
    return [_delivery(row) for row in found]


def find(connection: Connection, delivery_id: str) -> Delivery | None:
    query = select(table).where(table.c.delivery_id == delivery_id)
    row = connection.execute(query).one_or_none()
    return _delivery(row) if row is not None else None


def _delivery(row: Any) -> Delivery:
    return Delivery(**{**row._mapping, "status": DeliveryStatus(row.status)})  # noqa: SLF001
