"""Every list is read along an index, on both databases."""

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, Table, event, insert

from adapters.database import Database
from contracts.ids import EndpointId
from domain.statuses import JobStatus
from read_models import (
    access_tokens,
    accounts,
    deliveries,
    job_commits,
    job_lists,
    jobs,
    runs,
)
from read_models.job_lists import Filter
from read_models.jobs import EVENTS_OF_COMMIT_MAX
from tests.support import examples
from tests.support.examples import ACCOUNT, SEALED

KINDS = ("infograph", "character_image", None)
STATUSES = (*((each,) for each in JobStatus), ("failed", "cancelled"), tuple(JobStatus))
BEFORES = (None, 2000 * EVENTS_OF_COMMIT_MAX)
Look = Callable[[Connection], object]
LISTS: dict[str, Look] = {
    f"jobs of {kind}, {status}, before {before}": partial(
        job_lists.newest,
        wanted=Filter(account_id=ACCOUNT, kind=kind, statuses=frozenset(status), before=before),
    )
    for kind in KINDS
    for status in STATUSES
    for before in BEFORES
} | {
    "open jobs": partial(job_lists.open_ones, account=ACCOUNT, limit=1000),
    "changed jobs": partial(jobs.changed_since, account=ACCOUNT, after=3900, limit=1001),
    "open runs": partial(runs.open_ones, account=ACCOUNT, limit=1000),
    "changed runs": partial(runs.changed_since, account=ACCOUNT, after=3900, limit=1001),
    "entries": partial(accounts.newest_entries, account=ACCOUNT, before=None, limit=50),
    "older entries": partial(accounts.newest_entries, account=ACCOUNT, before=(9, 1), limit=50),
    "deliveries": partial(deliveries.of_endpoint, endpoint=EndpointId("e-1"), limit=50),
    "tokens": partial(access_tokens.of_account, account=ACCOUNT),
    "commits of a job": partial(job_commits.sequences, job=examples.a_job_id()),
}


@pytest.fixture
async def filled(database: tuple[Database, str]) -> Database:
    """Two accounts with so many rows that reading all of them would be the worse plan."""
    opened, _ = database

    def work(connection: Connection) -> None:
        connection.execute(insert(jobs.table), [_a_row(number) for number in range(4000)])
        for model in (runs, deliveries, access_tokens, job_commits):
            rows = [_any_row(model.table, number) for number in range(4000)]
            connection.execute(insert(model.table), rows)
        rows = [_any_row(accounts.entries, number) for number in range(4000)]
        connection.execute(insert(accounts.entries), rows)
        connection.exec_driver_sql("ANALYZE")

    await opened.write(work)
    return opened


def _a_row(number: int) -> dict[str, Any]:
    changes = {
        "account_id": (ACCOUNT, examples.OTHER)[number % 2],
        "kind": KINDS[number // 2 % 2],
        "status": ("completed", "failed")[number // 4 % 2],
        "deleted": number % 50 == 0,
        "place": number * EVENTS_OF_COMMIT_MAX,
    }
    return _any_row(jobs.table, number) | changes


def _any_row(table: Table, number: int) -> dict[str, Any]:
    values = {str: f"{number}", int: number, bytes: msgspec.json.encode(SEALED), bool: False}
    row = {each.name: values[each.type.python_type] for each in table.columns if not each.nullable}
    valid = {"steps": b"[]", "role": "user", "status": "failed"}
    owners = {"account_id": (ACCOUNT, examples.OTHER)[number % 2], "endpoint_id": "e-1"}
    return row | {name: value for name, value in (valid | owners).items() if name in row}


def _plans(connection: Connection, look: Look) -> list[str]:
    """Run a query, and explain every statement that it made. So few rows are as well sorted:
    PostgreSQL is asked for the plan that it has for many.
    """
    if connection.dialect.name == "postgresql":
        for way in ("sort", "seqscan", "bitmapscan"):
            connection.exec_driver_sql(f"SET LOCAL enable_{way} = off")
    statements: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, values: Any, _x: Any, _many: Any) -> None:
        statements.append((statement, values))

    event.listen(connection, "before_cursor_execute", note)
    look(connection)
    event.remove(connection, "before_cursor_execute", note)
    explain = "EXPLAIN QUERY PLAN " if connection.dialect.name == "sqlite" else "EXPLAIN "
    return [
        " ".join(map(str, row))
        for statement, values in statements
        for row in connection.exec_driver_sql(explain + statement, values)
    ]


async def test_every_list_is_read_along_an_index_whatever_is_asked_for(filled: Database) -> None:
    for name, look in LISTS.items():
        plan = await filled.read(partial(_plans, look=look))
        assert plan, name
        text = "\n".join(plan)
        for word in ("SCAN ", "TEMP B-TREE", "Seq Scan", "Sort  ("):
            assert word not in text, f"{name}:\n{text}"
