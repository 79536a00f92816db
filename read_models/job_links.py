"""How jobs are linked to their retries. Queries on the jobs."""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, select

from contracts.ids import JobId
from domain.statuses import JobStatus
from read_models.jobs import table

# Only the newest retry can stand: while one does, the account refuses another.
_retry = table.alias("retry")
_STANDING = (
    select(table.c.job_id, table.c.retried_as)
    .join(_retry, _retry.c.job_id == table.c.retried_as)
    .where(
        table.c.job_id.in_(bindparam("jobs", expanding=True)),
        _retry.c.status.not_in([JobStatus.FAILED, JobStatus.CANCELLED]),
    )
)


def standing_retries(connection: Connection, jobs: Sequence[JobId]) -> dict[JobId, JobId]:
    """Return which of these jobs have a retry that is open or was completed."""
    found = connection.execute(_STANDING, {"jobs": list(jobs)})
    return {JobId(row.job_id): JobId(row.retried_as) for row in found}
