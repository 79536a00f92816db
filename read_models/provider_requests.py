"""Whose each of the provider's requests is, and which attempts never learnt theirs."""

from collections.abc import Sequence

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    Table,
    Text,
    and_,
    bindparam,
    exists,
    select,
)

from contracts.commit import Recorded
from contracts.events import AttemptFailed, JobSubmitted, ResultReceived
from contracts.ids import JobId
from read_models.unit_of_work import KEYS_A_SELECT, METADATA, Micros, UnitOfWork, micros_of

table = Table(
    "provider_requests",
    METADATA,
    Column("request_id", Text, primary_key=True),
    Column("job_id", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("sequence", BigInteger, nullable=False),
)
# Given up on while nobody could tell whether the provider had taken them. Rare.
lost_attempts = Table(
    "lost_attempts",
    METADATA,
    Column("job_id", Text, primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("at", Micros, nullable=False),
)


def project(recorded: Recorded, unit: UnitOfWork) -> None:
    for event in recorded.commit.events:
        if isinstance(event, JobSubmitted | ResultReceived) and event.request_id:
            owner = {"job_id": event.job_id, "attempt": event.attempt}
            named = {"request_id": event.request_id, "sequence": recorded.sequence}
            unit.insert(table, owner | named)
        elif isinstance(event, AttemptFailed) and event.may_have_run:
            lost = {"job_id": event.job_id, "attempt": event.attempt}
            unit.insert(lost_attempts, lost | {"at": micros_of(recorded.commit.at)})


_OWNED = select(table.c.request_id).where(
    table.c.request_id.in_(bindparam("request_ids", expanding=True))
)
_LOST = (
    select(lost_attempts.c.job_id, lost_attempts.c.attempt)
    .where(
        lost_attempts.c.at >= bindparam("since"),
        ~exists().where(
            and_(
                table.c.job_id == lost_attempts.c.job_id,
                table.c.attempt == lost_attempts.c.attempt,
            )
        ),
    )
    .limit(bindparam("limit"))
)


def owned(connection: Connection, request_ids: Sequence[str]) -> set[str]:
    """Return which of the provider's requests are known to be a job's."""
    found: set[str] = set()
    for start in range(0, len(request_ids), KEYS_A_SELECT):
        chunk = list(request_ids[start : start + KEYS_A_SELECT])
        found.update(connection.execute(_OWNED, {"request_ids": chunk}).scalars())
    return found


def lost(connection: Connection, since: int, limit: int) -> list[tuple[JobId, int]]:
    """Return the attempts that were given up on since then and never learnt their request."""
    rows = connection.execute(_LOST, {"since": since, "limit": limit})
    return [(JobId(row.job_id), row.attempt) for row in rows]
