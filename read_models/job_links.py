"""How jobs are linked to their retries. Queries on the jobs."""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, select

from contracts.ids import JobId
from domain.job_status import JobStatus
from read_models.jobs import table

_RETRIES = (
    select(table.c.retry_of, table.c.job_id)
    .where(table.c.retry_of.in_(bindparam("jobs", expanding=True)))
    .order_by(table.c.requested_in)
)
_STANDING = _RETRIES.where(table.c.status.not_in([JobStatus.FAILED, JobStatus.CANCELLED]))


def standing_retries(connection: Connection, jobs: Sequence[JobId]) -> dict[JobId, JobId]:
    """Return which of these jobs have a retry that is open or was completed."""
    found = connection.execute(_STANDING, {"jobs": list(jobs)})
    return {JobId(row.retry_of): JobId(row.job_id) for row in found}


def newest_retry(connection: Connection, job: JobId) -> JobId | None:
    rows = connection.execute(_RETRIES, {"jobs": [job]}).all()
    return JobId(rows[-1].job_id) if rows else None
