"""Whether a file of storage is shown by more than one job. Files of the first versions were named
by their content, so equal pictures of one account were one file.
"""

from sqlalchemy import Connection, bindparam, select

from read_models.jobs import Job, table

_OTHERS = select(table.c.artifacts).where(
    table.c.account_id == bindparam("account_id"),
    table.c.job_id != bindparam("job_id"),
    table.c.deleted.is_(False),
    table.c.artifacts.is_not(None),
)


def shown_by_another(connection: Connection, job: Job, key: str) -> bool:
    """Look at all jobs of the account: asked only about files of the first versions."""
    found = connection.execute(_OTHERS, {"account_id": job.account_id, "job_id": job.job_id})
    sought = f'"{key}"'.encode()
    return any(sought in bytes(artifacts) for artifacts in found.scalars())
