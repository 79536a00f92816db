"""Examples: events and commits as short as tests want them."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from contracts.commit import Commit, CommitRequest, Recorded
from contracts.events import (
    AnyEvent,
    CreditsReserved,
    JobFailed,
    JobRequested,
    JobSubmitted,
    ResultReceived,
    SubmissionStarted,
)
from contracts.events.evidence import Verdict, Via
from contracts.ids import AccountId, CommitId, JobId, new_job_id
from contracts.job_state import JobState
from contracts.sealed import Sealed
from contracts.subjects import Subject

ACCOUNT = AccountId("demo")
OTHER = AccountId("other")
START = datetime(2026, 1, 1, tzinfo=UTC)
SEALED = Sealed(box=b"sealed")
_numbers = count(1)


def at(seconds: float = 0) -> datetime:
    return START + timedelta(seconds=seconds)


def a_job_id() -> JobId:
    return new_job_id(1_767_225_600_000, next(_numbers))


def requested(job: JobId, account: AccountId = ACCOUNT, **changes: Any) -> JobRequested:
    fields: dict[str, Any] = {
        "job_id": job,
        "account_id": account,
        "kind": "infograph",
        "input": SEALED,
        "price_credits": 1,
        "deadline_at": at(900),
    }
    return JobRequested(**(fields | changes))


def reserved(job: JobId, account: AccountId = ACCOUNT) -> CreditsReserved:
    return CreditsReserved(account_id=account, job_id=job, amount=1)


def started(job: JobId, attempt: int = 1, account: AccountId = ACCOUNT) -> SubmissionStarted:
    return SubmissionStarted(
        job_id=job,
        account_id=account,
        attempt=attempt,
        provider="simulator",
        endpoint="fal-ai/nano-banana-pro",
        arguments=SEALED,
    )


def submitted(job: JobId, attempt: int = 1, account: AccountId = ACCOUNT) -> JobSubmitted:
    return JobSubmitted(
        job_id=job,
        account_id=account,
        attempt=attempt,
        provider="simulator",
        request_id=f"request-{attempt}",
        status_url="https://provider/status",
        response_url="https://provider",
        cancel_url="https://provider/cancel",
    )


def received(job: JobId, attempt: int = 1, account: AccountId = ACCOUNT) -> ResultReceived:
    return ResultReceived(
        job_id=job,
        account_id=account,
        attempt=attempt,
        via=Via.WEBHOOK,
        request_id=f"request-{attempt}",
        verdict=Verdict.OK,
        body=SEALED,
    )


def failed(job: JobId, account: AccountId = ACCOUNT) -> JobFailed:
    return JobFailed(job_id=job, account_id=account, code="provider_failed", message=SEALED)


def commit(
    *events: AnyEvent,
    requests: tuple[CommitRequest, ...] = (),
    job: JobState | None = None,
    seconds: float = 0,
) -> Commit:
    commit_id = CommitId(f"commit-{next(_numbers)}")
    return Commit(id=commit_id, at=at(seconds), events=events, requests=requests, job=job)


def recorded(sequence: int, subject: Subject, *events: AnyEvent, seconds: float = 0) -> Recorded:
    return Recorded(sequence, subject, commit(*events, seconds=seconds))
