"""Deliveries: what each endpoint is to be sent, was sent, or did not take."""

from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Index, bindparam, select, text

from contracts.events import Event, NotificationFailed, NotificationRequested, NotificationSent
from contracts.ids import AccountId, EndpointId
from domain.notifications import TYPES
from domain.statuses import DeliveryStatus
from domain.times import micros_of
from domain.turns import Turn
from read_models.tables import Short, partial_index, reader, table_of
from read_models.turns import Lanes
from read_models.unit_of_work import At, Model, UnitOfWork, key_by


class Delivery(Struct, frozen=True, kw_only=True):
    """One row. `account_id` is the endpoint's account; `object_id` is the id of the job or run, and
    `object_account_id` its account. Times are in microseconds.
    """

    delivery_id: str
    account_id: AccountId
    endpoint_id: EndpointId
    type: str
    object_id: str
    object_account_id: AccountId
    status: DeliveryStatus
    attempts: Short
    next_at: int | None  # None unless it waits.
    last_status: Short | None
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


_waits = text("next_at IS NOT NULL")
table = table_of(
    "deliveries",
    Delivery,
    partial_index("deliveries_due", _waits, "next_at", "delivery_id"),
    partial_index("deliveries_due_of_endpoint", _waits, "endpoint_id", "next_at", "delivery_id"),
    Index("deliveries_of_endpoint", "endpoint_id", "created_at", "delivery_id"),
)
_read = reader(Delivery)


def owe(event: Any, account: AccountId, endpoint: EndpointId, at: At, unit: UnitOfWork) -> None:
    """Note a delivery about a job or run that has ended, to an endpoint of that account. Each ends
    once, so there is one.
    """
    name = TYPES[type(event)]
    object_id = event.job_id if name.startswith("job.") else event.run_id
    delivery_id = f"{endpoint}.{object_id}"
    row = {
        "delivery_id": delivery_id,
        "account_id": account,
        "endpoint_id": endpoint,
        "type": name,
        "object_id": object_id,
        "object_account_id": event.account_id,
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
    return [_read(row) for row in _LANES.take(connection, turn)]


def of_endpoint(connection: Connection, endpoint: EndpointId, limit: int) -> list[Delivery]:
    """Return an endpoint's deliveries, newest first."""
    found = connection.execute(_OF_ENDPOINT, {"endpoint_id": endpoint, "limit": limit})
    return [_read(row) for row in found]


def find(connection: Connection, delivery_id: str) -> Delivery | None:
    query = select(table).where(table.c.delivery_id == delivery_id)
    row = connection.execute(query).one_or_none()
    return _read(row) if row is not None else None
