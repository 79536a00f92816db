"""How long jobs took, by kind and duration_class: what an estimate for the next one is made of."""

from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Table, Text

from contracts.events import Event, JobCompleted, SubmissionStarted
from domain.estimates import Durations
from read_models import jobs
from read_models.tables import METADATA
from read_models.unit_of_work import At, Model, UnitOfWork

table = Table(
    "durations",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("count", Integer, nullable=False),
    Column("histogram", LargeBinary, nullable=False),
    Column("sequence", BigInteger, nullable=False),
)

_decoder = msgspec.json.Decoder(Durations)


def _key(_event: Any, at: At) -> str | None:
    return f"{at.job.kind}/{at.job.duration_class}" if at.job is not None else None


def project(event: Event, at: At, unit: UnitOfWork) -> None:
    """Note what a job can expect when it starts, so that its estimate never jumps."""
    key = str(_key(event, at))
    row = unit.peek(table, key)
    known = _decoder.decode(row["histogram"]) if row is not None else Durations()
    job = unit.peek(jobs.table, getattr(event, "job_id", ""))
    if job is None:
        return
    if isinstance(event, SubmissionStarted):
        if event.attempt == 1:
            job |= {"expected_p50": known.quantile(0.5), "expected_p90": known.quantile(0.9)}
    elif job["started_at"] is not None:
        grown = known.with_one(max(at.micros - job["started_at"], 0))
        new = {"key": key, "count": grown.count, "histogram": msgspec.json.encode(grown)}
        unit.put(table, key, new | {"sequence": at.sequence})


MODEL = Model(table, frozenset({SubmissionStarted, JobCompleted}), _key, project)
