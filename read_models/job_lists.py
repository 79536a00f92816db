"""Lists of an account's jobs. Queries on the jobs, by an index whatever is asked for."""

from collections.abc import Callable
from functools import cache
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, asc, bindparam, desc, select, union_all

from contracts.ids import AccountId
from domain.statuses import JobStatus
from read_models.jobs import Job, job_of, table

OPEN = frozenset({JobStatus.PENDING, JobStatus.PROCESSING})
Order = Callable[[Any], Any]


class Filter(Struct, frozen=True, kw_only=True):
    """Which of an account's jobs: `before` is the place of the last one seen."""

    account_id: AccountId
    kind: str | None = None
    statuses: frozenset[str] = frozenset(JobStatus)
    before: int | None = None
    limit: int = 50


def open_ones(connection: Connection, account: AccountId, limit: int) -> list[Job]:
    """Return the account's jobs that have not ended, oldest first."""
    wanted = Filter(account_id=account, statuses=OPEN, limit=limit)
    return _listed(connection, wanted, asc)


def newest(connection: Connection, wanted: Filter) -> list[Job]:
    """Return what is not deleted, newest first."""
    return _listed(connection, wanted, desc)


def _listed(connection: Connection, wanted: Filter, order: Order) -> list[Job]:
    statuses = sorted(wanted.statuses)
    query = _list_of(len(statuses), wanted.kind is not None, wanted.before is not None, order)
    values: dict[str, object] = {f"status_{n}": status for n, status in enumerate(statuses)}
    values |= {"account_id": wanted.account_id, "kind": wanted.kind, "limit": wanted.limit}
    values["before"] = wanted.before
    return [job_of(found) for found in connection.execute(query, values)]


@cache
def _list_of(statuses: int, has_kind: bool, has_before: bool, order: Order) -> Any:  # noqa: FBT001
    """Merge one ordered walk along an index for each status: no page costs more than its rows."""
    walk = select(table).where(
        table.c.deleted.is_(False), table.c.account_id == bindparam("account_id")
    )
    if has_kind:
        walk = walk.where(table.c.kind == bindparam("kind"))
    if has_before:
        walk = walk.where(table.c.place < bindparam("before"))
    walk = walk.order_by(order(table.c.place))  # Else PostgreSQL sees no order to merge by.
    walks = (walk.where(table.c.status == bindparam(f"status_{n}")) for n in range(statuses))
    merged = union_all(*(select(each.subquery()) for each in walks)).subquery()
    return select(merged).order_by(order(merged.c.place)).limit(bindparam("limit"))
