"""Which attempt each of the provider's requests belongs to, what the provider said about it, and
which attempts have no known request.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from msgspec import Struct

from contracts.commit import Recorded
from contracts.events import AttemptFailed, JobSubmitted, ResultReceived
from contracts.ids import JobId
from domain.times import micros_of
from read_models.tables import METADATA, Micros, by_dialect
from read_models.unit_of_work import KEYS_A_SELECT, UnitOfWork

TAKEN = "taken"
OF_ATTEMPT_MAX = 32
REQUEST_ID_LENGTH_MAX = 500

table = sa.Table(
    "provider_requests",
    METADATA,
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True),
    sa.Column("request_id", sa.Text, primary_key=True),
    sa.Column(
        "said", sa.Text, primary_key=True
    ),  # A result's verdict; TAKEN where it took the job.
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Index("provider_requests_by_id", "request_id"),
)
# Given up on, or overtaken by an older attempt's result (waiting_jobs), while nobody could tell
# whether the provider had taken them. Rare.
lost_attempts = sa.Table(
    "lost_attempts",
    METADATA,
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True),
    sa.Column("at", Micros, nullable=False),
)


def project(recorded: Recorded, unit: UnitOfWork) -> None:
    for event in recorded.commit.events:
        if isinstance(event, JobSubmitted | ResultReceived) and _can_be_found(event.request_id):
            said = TAKEN if isinstance(event, JobSubmitted) else event.verdict.value
            owner = {"job_id": event.job_id, "attempt": event.attempt}
            named = {"request_id": event.request_id, "said": said, "sequence": recorded.sequence}
            unit.insert(table, owner | named)
        elif isinstance(event, AttemptFailed) and event.may_have_run:
            lost = {"job_id": event.job_id, "attempt": event.attempt}
            unit.insert(lost_attempts, lost | {"at": micros_of(recorded.commit.at)})


def _can_be_found(request_id: str) -> bool:
    """PostgreSQL's index takes keys up to 2.7 KB; none that we take today comes near it."""
    return 0 < len(request_id) <= REQUEST_ID_LENGTH_MAX


_OWNED = sa.select(table.c.request_id).where(
    table.c.request_id.in_(sa.bindparam("request_ids", expanding=True))
)
# In the driver's own form: it is read for every webhook.
_OF_ATTEMPT = by_dialect(
    "SELECT request_id, said FROM provider_requests WHERE job_id = {} AND attempt = {} "
    "ORDER BY sequence LIMIT {}"
)
_LOST = (
    sa.select(lost_attempts.c.job_id, lost_attempts.c.attempt)
    .where(
        lost_attempts.c.at >= sa.bindparam("since"),
        ~sa.exists().where(
            sa.and_(
                table.c.job_id == lost_attempts.c.job_id, table.c.attempt == lost_attempts.c.attempt
            )
        ),
    )
    .limit(sa.bindparam("limit"))
)


class AttemptRequests(Struct, frozen=True):
    """What one attempt is known to have asked the provider for, and what came of it."""

    own: frozenset[str] = frozenset()  # Its request ids; none while they are not known.
    results: frozenset[tuple[str, str]] = frozenset()  # Request id and verdict of each result.


def of_attempt(connection: sa.Connection, job: JobId, attempt: int) -> AttemptRequests:
    """Return an attempt's requests: those that the provider named in answer to the POST, or else
    the first one that evidence named.
    """
    sql = _OF_ATTEMPT[connection.dialect.name]
    found = connection.exec_driver_sql(sql, (job, attempt, OF_ATTEMPT_MAX))
    rows = [(row.request_id, row.said) for row in found]
    taken = [request_id for request_id, said in rows if said == TAKEN]
    first = [request_id for request_id, _ in rows[:1]]
    results = frozenset(row for row in rows if row[1] != TAKEN)
    return AttemptRequests(frozenset(taken or first), results)


def owned(connection: sa.Connection, request_ids: Sequence[str]) -> set[str]:
    """Return which of the provider's requests are known to be a job's."""
    found: set[str] = set()
    for start in range(0, len(request_ids), KEYS_A_SELECT):
        chunk = list(request_ids[start : start + KEYS_A_SELECT])
        found.update(connection.execute(_OWNED, {"request_ids": chunk}).scalars())
    return found


def lost(connection: sa.Connection, since: int, limit: int) -> list[tuple[JobId, int]]:
    """Return the attempts that were given up on since then and never learnt their request."""
    rows = connection.execute(_LOST, {"since": since, "limit": limit})
    return [(JobId(row.job_id), row.attempt) for row in rows]
