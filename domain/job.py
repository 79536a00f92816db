"""The job: its attempts, and its one end, which settles its hold."""

from datetime import datetime
from typing import assert_never

from msgspec import Struct, structs

from contracts import events
from contracts.job_state import Attempt, End, JobState, Outcome
from contracts.sealed import Sealed
from domain.refusals import Refused


class StartSubmission(Struct, frozen=True, kw_only=True):
    provider: str
    endpoint: str
    arguments: Sealed | None  # None: what the first attempt sent.
    deadline_at: datetime | None = None  # Of a job that waited for its run.


class GiveUpAttempt(Struct, frozen=True, kw_only=True):
    """The attempt brought no result; the job goes on from `not_before`."""

    attempt: int
    code: str
    error: Sealed
    may_have_run: bool
    not_before: datetime


class Complete(Struct, frozen=True, kw_only=True):
    attempt: int
    artifacts: tuple[events.Artifact, ...]


class Fail(Struct, frozen=True, kw_only=True):
    code: str
    message: Sealed
    detail: Sealed | None = None


class Cancel(Struct, frozen=True, kw_only=True):
    by: str
    reason: str


class Delete(Struct, frozen=True, kw_only=True):
    by: str


JobCommand = StartSubmission | GiveUpAttempt | Complete | Fail | Cancel | Delete


def requested(event: events.JobRequested, sequence: int) -> JobState:
    """Return the state of a job that has no commit of its own yet."""
    return JobState(
        job_id=event.job_id,
        account_id=event.account_id,
        kind=event.kind,
        hold=event.price_credits,
        requested_sequence=sequence,
        deadline_at=event.deadline_at,
        duration_class=event.duration_class,
        exclusive_key=event.exclusive_key,
        run_id=event.run_id,
        step=event.step,
    )


def decide(command: JobCommand, job: JobState) -> list[events.JobEvent]:
    """Return what happens: nothing for a repeat. Raise Refused when it may not."""
    match command:
        case StartSubmission():
            return _start(command, job)
        case GiveUpAttempt():
            return _give_up(command, job)
        case Complete(attempt=attempt, artifacts=artifacts):
            completed = events.JobCompleted(
                job_id=job.job_id, account_id=job.account_id, attempt=attempt, artifacts=artifacts
            )
            return [] if job.end else [completed, _charge(job)]
        case Fail(code=code, message=message, detail=detail):
            failed = events.JobFailed(
                job_id=job.job_id,
                account_id=job.account_id,
                code=code,
                message=message,
                detail=detail,
            )
            return [] if job.end else [failed, _release(job)]
        case Cancel():
            return _cancel(command, job)
        case Delete(by=by):
            if job.end is None:
                raise Refused("job_open", "a job can be deleted once it has ended")
            deleted = events.JobDeleted(job_id=job.job_id, account_id=job.account_id, by=by)
            return [] if job.deleted else [deleted]
        case _:
            assert_never(command)


def evolve(job: JobState, event: events.JobEvent) -> JobState:
    match event:
        case events.SubmissionStarted(deadline_at=deadline_at):
            attempts = (*job.attempts, Attempt(outcome=Outcome.OPEN))
            deadline_at = deadline_at or job.deadline_at
            return structs.replace(job, attempts=attempts, deadline_at=deadline_at)
        case events.AttemptFailed(may_have_run=may_have_run, not_before=not_before):
            outcome = Outcome.UNKNOWN if may_have_run else Outcome.REFUSED
            closed = Attempt(outcome=outcome, not_before=not_before)
            return structs.replace(job, attempts=_closed(job.attempts[:-1], closed))
        case events.JobCompleted():
            return structs.replace(job, end=End.COMPLETED)
        case events.JobFailed():
            return structs.replace(job, end=End.FAILED)
        case events.JobCancelled():
            return structs.replace(job, end=End.CANCELLED)
        case events.JobDeleted():
            return structs.replace(job, deleted=True)
        case events.CreditsCharged() | events.CreditsReleased():
            return structs.replace(job, hold=0)
        case _:
            assert_never(event)


def _closed(before: tuple[Attempt, ...], closed: Attempt) -> tuple[Attempt, ...]:
    """Add an attempt that is over; refused ones in a row are one entry."""
    if closed.outcome is Outcome.REFUSED and before and before[-1].outcome is Outcome.REFUSED:
        return (*before[:-1], structs.replace(closed, times=before[-1].times + 1))
    return (*before, closed)


def _start(command: StartSubmission, job: JobState) -> list[events.JobEvent]:
    if job.end is not None:
        raise Refused("job_ended", "the job has ended")
    if job.attempts and job.attempts[-1].outcome is Outcome.OPEN:
        raise Refused("job_open", "an attempt is under way")
    return [
        events.SubmissionStarted(
            job_id=job.job_id,
            account_id=job.account_id,
            attempt=job.attempt + 1,
            provider=command.provider,
            endpoint=command.endpoint,
            arguments=command.arguments,
            deadline_at=command.deadline_at,
        )
    ]


def _give_up(command: GiveUpAttempt, job: JobState) -> list[events.JobEvent]:
    last = job.attempts[-1].outcome if job.attempts else None
    is_current = job.attempt == command.attempt and last is Outcome.OPEN
    if job.end is not None or not is_current:
        return []
    return [
        events.AttemptFailed(
            job_id=job.job_id,
            account_id=job.account_id,
            attempt=command.attempt,
            code=command.code,
            error=command.error,
            may_have_run=command.may_have_run,
            not_before=command.not_before,
        )
    ]


def _cancel(command: Cancel, job: JobState) -> list[events.JobEvent]:
    if job.end is End.CANCELLED:
        return []
    if job.end is not None:
        raise Refused("job_ended", f"the job has {job.end.value} already")
    cancelled = events.JobCancelled(
        job_id=job.job_id, account_id=job.account_id, by=command.by, reason=command.reason
    )
    return [cancelled, _release(job)]


def _charge(job: JobState) -> events.CreditsCharged:
    return events.CreditsCharged(account_id=job.account_id, job_id=job.job_id, amount=job.hold)


def _release(job: JobState) -> events.CreditsReleased:
    return events.CreditsReleased(account_id=job.account_id, job_id=job.job_id, amount=job.hold)
