"""The index from a job to every commit that speaks of it, wherever it was written."""

from sqlalchemy import BigInteger, Column, Connection, Table, Text, select

from contracts.commit import Recorded
from contracts.ids import JobId
from read_models.tables import METADATA
from read_models.unit_of_work import UnitOfWork

table = Table(
    "job_commits",
    METADATA,
    Column("job_id", Text, primary_key=True),
    Column("sequence", BigInteger, primary_key=True),
)


def project(recorded: Recorded, unit: UnitOfWork) -> None:
    events = recorded.commit.events
    jobs = {getattr(event, "job_id", None) for event in events}
    jobs |= {getattr(event, "retry_of", None) for event in events}  # Histories link both ways.
    for job in jobs - {None}:
        unit.insert(table, {"job_id": job, "sequence": recorded.sequence})


def sequences(connection: Connection, job: JobId, after: int = 0, limit: int = 1000) -> list[int]:
    """Return the sequences of the job's commits, oldest first."""
    query = (
        select(table.c.sequence)
        .where(table.c.job_id == job, table.c.sequence > after)
        .order_by(table.c.sequence)
        .limit(limit)
    )
    return [int(found.sequence) for found in connection.execute(query)]
