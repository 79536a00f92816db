"""What must hold of rows that wait: somebody looks at each again, and at rest none is left."""

from typing import Any

from sqlalchemy import Connection, select

from contracts.commit import Recorded
from contracts.events import (
    ArtifactsRemoved,
    AttemptFailed,
    CancellationAnswered,
    JobCancelled,
    JobCompleted,
    JobDeleted,
    JobSubmitted,
    ResultReceived,
    SubmissionStarted,
)
from contracts.ids import JobId
from domain.owed import Duty
from domain.waiting import WaitReason
from read_models import deliveries, owed, waiting_jobs, waiting_runs

KNOWN_SECONDS = 3.0


def without_a_look(connection: Connection) -> list[Any]:
    """Return rows that nobody would ever take again."""
    jobs, runs = waiting_jobs.table, waiting_runs.table
    lost = [
        *_found(connection, jobs, jobs.c.waiting_since.is_(None)),
        *_found(connection, jobs, jobs.c.wait_reason.not_in([each.value for each in WaitReason])),
        *_found(connection, runs, runs.c.due_at.is_(None)),
        *_found(connection, owed.table, owed.table.c.owed_from.is_(None)),
        *_found(connection, owed.table, owed.table.c.duty.not_in([each.value for each in Duty])),
        *_found(connection, deliveries.table, _is_lost()),
    ]
    # A step's job is let go by its run, whose row is there as long as it has open jobs.
    open_ended = jobs.c.deadline_at.is_(None) & (jobs.c.wait_reason != WaitReason.STORING.value)
    return lost + _found(connection, jobs, open_ended)


def left_at_rest(connection: Connection) -> list[Any]:
    """Return what must be gone once every job and run has ended and everybody has looked."""
    duties = owed.table.c.duty.in_([Duty.CANCELLATION.value, Duty.REMOVAL.value])
    return [
        *connection.execute(select(waiting_jobs.table)),
        *connection.execute(select(waiting_runs.table)),
        *_found(connection, owed.table, duties),
    ]


def no_attempt_is_given_up_that_is_known(commits: list[Recorded]) -> None:
    """Once the log has known for some seconds which request an attempt is, it is no unknown."""
    known: dict[tuple[str, int], float] = {}
    for recorded in commits:
        at = recorded.commit.at.timestamp()
        for event in recorded.commit.events:
            if isinstance(event, JobSubmitted):
                known.setdefault((event.job_id, event.attempt), at)
            elif isinstance(event, AttemptFailed) and event.may_have_run:
                since = known.get((event.job_id, event.attempt), at)
                seconds = at - since
                assert seconds <= KNOWN_SECONDS, f"{event.job_id} was known for {seconds:.1f} s"


def what_was_deleted_is_removed(commits: list[Recorded]) -> None:
    owed_now: set[JobId] = set()
    for event in (event for recorded in commits for event in recorded.commit.events):
        if isinstance(event, JobDeleted):
            owed_now.add(event.job_id)
        elif isinstance(event, ArtifactsRemoved):
            owed_now.discard(event.job_id)
    assert not owed_now, f"still to be removed, and forgotten: {sorted(owed_now)}"


def what_nobody_waits_for_was_cancelled(commits: list[Recorded]) -> None:
    """What the provider has of a cancelled job, and of an attempt that a newer one follows."""
    at_provider: dict[JobId, int] = {}  # The attempt that it has, and says nothing of yet.
    newest: dict[JobId, int] = {}  # Attempts that are under way.
    settled: set[tuple[JobId, int]] = set()  # It said what came of them, or that it cancelled them.
    owed_now: set[tuple[JobId, int]] = set()
    for event in (event for recorded in commits for event in recorded.commit.events):
        match event:
            case SubmissionStarted(job_id=job, attempt=attempt):
                owed_now |= {(job, at_provider.pop(job))} - settled if job in at_provider else set()
                newest[job] = attempt
            case ResultReceived(job_id=job, attempt=attempt):
                at_provider.pop(job, None)
                settled.add((job, attempt))
            case JobSubmitted(job_id=job, attempt=attempt) if (job, attempt) not in settled:
                at_provider[job] = max(attempt, at_provider.get(job, 0))
                owed_now |= {(job, attempt)} if attempt < newest.get(job, 0) else set()
            case JobCancelled(job_id=job) if job in at_provider:
                owed_now.add((job, at_provider[job]))
            case CancellationAnswered(job_id=job, attempt=attempt):
                owed_now.discard((job, attempt))
                settled.add((job, attempt))
            case JobCompleted(job_id=job) | AttemptFailed(job_id=job):
                newest.pop(job, None)
    assert not owed_now, f"still owed, and forgotten: {sorted(owed_now)}"


def _is_lost() -> Any:
    table = deliveries.table
    waits = table.c.status == "waiting"
    ended = table.c.status.in_(["sent", "failed"])
    return (
        (waits & table.c.next_at.is_(None))
        | (ended & table.c.next_at.is_not(None))
        | ~(waits | ended)
    )


def _found(connection: Connection, table: Any, where: Any) -> list[Any]:
    return list(connection.execute(select(table).where(where)))
