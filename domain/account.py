"""The account: what it has, what it holds, what it was already answered."""

from collections.abc import Mapping
from typing import assert_never

from msgspec import Struct, structs

from contracts.commit import Recorded, Request
from contracts.events import (
    AccessTokenIssued,
    AccessTokenRevoked,
    AccountEvent,
    CreditsGranted,
    CreditsReserved,
    CreditsRevoked,
    EndpointRegistered,
    EndpointRemoved,
    JobRequested,
    NotificationRequested,
    RunRequested,
)
from contracts.events.account import Role
from contracts.ids import AccountId, EndpointId, JobId, TokenId
from contracts.sealed import Sealed
from domain.refusals import Refused, invalid

AMOUNT_MAX = 1_000_000_000
JOBS_IN_FLIGHT_MAX = 200


class Answered(Struct, frozen=True):
    """Where the answer to a request stands: `events` are indices into the commit."""

    fingerprint: str
    sequence: int
    events: tuple[int, ...]


class Wanted(Struct, frozen=True):
    """What a decision has to know beside the account's row: earlier answers, earlier retries,
    what is open for a resource.
    """

    keys: tuple[str, ...] = ()
    retry_of: tuple[JobId, ...] = ()
    resources: tuple[str, ...] = ()


class Account(Struct, frozen=True, kw_only=True):
    """An account as of `sequence`, its last commit. Amounts are credits.

    Charges and releases that are not folded in yet only make `available` too small.
    """

    id: AccountId
    granted: int = 0
    revoked: int = 0
    charged: int = 0
    held: int = 0
    jobs_open: int = 0  # Requested and not ended; may be too large, as `available` too small.
    sequence: int = 0
    answered: Mapping[str, Answered] = {}
    retried: Mapping[JobId, JobId] = {}  # Job -> its retry that is open or was completed.
    open_resources: Mapping[str, str] = {}  # Resource -> the job or run that is open for it.

    @property
    def available(self) -> int:
        return self.granted - self.revoked - self.charged - self.held


class GrantCredits(Struct, frozen=True):
    amount: int
    reason: str


class RevokeCredits(Struct, frozen=True):
    amount: int
    reason: str


class RequestJobs(Struct, frozen=True):
    """All of the jobs or none; with `run`, they are its steps."""

    jobs: tuple[JobRequested, ...]
    in_flight_max: int = JOBS_IN_FLIGHT_MAX
    run: RunRequested | None = None


class IssueToken(Struct, frozen=True):
    token_id: TokenId
    sha256: str
    role: Role


class RevokeToken(Struct, frozen=True):
    token_id: TokenId


class RegisterEndpoint(Struct, frozen=True):
    """Register, or change what is registered under this id."""

    endpoint_id: EndpointId
    url: Sealed
    types: tuple[str, ...]
    enabled: bool = True


class RemoveEndpoint(Struct, frozen=True):
    endpoint_id: EndpointId


class RequestNotification(Struct, frozen=True):
    endpoint_id: EndpointId
    delivery_id: str


EndpointCommand = RegisterEndpoint | RemoveEndpoint | RequestNotification
AccountCommand = (
    GrantCredits | RevokeCredits | RequestJobs | IssueToken | RevokeToken | EndpointCommand
)


def decide(command: AccountCommand, account: Account) -> list[AccountEvent]:
    """Return what happens; raise Refused when it may not."""
    match command:
        case GrantCredits(amount, reason):
            _check_amount(amount)
            return [CreditsGranted(account_id=account.id, amount=amount, reason=reason)]
        case RevokeCredits(amount, reason):
            _check_amount(amount)
            _check_available(amount, account)
            return [CreditsRevoked(account_id=account.id, amount=amount, reason=reason)]
        case RequestJobs(jobs, in_flight_max, run):
            _check_resources(command, account)
            _check_in_flight(len(jobs), in_flight_max, account)
            events = _request_jobs(jobs, account)
            return events if run is None else [run, *events]
        case IssueToken(token_id, sha256, role):
            return [
                AccessTokenIssued(
                    account_id=account.id, token_id=token_id, sha256=sha256, role=role
                )
            ]
        case RevokeToken(token_id):
            return [AccessTokenRevoked(account_id=account.id, token_id=token_id)]
        case RegisterEndpoint() | RemoveEndpoint() | RequestNotification():
            return [_about_endpoint(command, account.id)]
        case _:
            assert_never(command)


def earlier_answer(key: str | None, fingerprint: str | None, account: Account) -> Answered | None:
    """Return the answer that this Idempotency-Key already got; raise Refused for other content."""
    found = account.answered.get(key) if key is not None else None
    if found is not None and found.fingerprint != fingerprint:
        raise Refused("idempotency_key_reused", "the key was used before, with another body")
    return found


def evolve(account: Account, event: AccountEvent) -> Account:
    match event:
        case CreditsGranted(amount=amount):
            return structs.replace(account, granted=account.granted + amount)
        case CreditsRevoked(amount=amount):
            return structs.replace(account, revoked=account.revoked + amount)
        case CreditsReserved(amount=amount):
            return structs.replace(account, held=account.held + amount)
        case JobRequested(job_id=job, retry_of=retry_of, resource=resource):
            retried = account.retried
            if retry_of is not None:
                retried = {**retried, retry_of: job}
            account = structs.replace(account, retried=retried, jobs_open=account.jobs_open + 1)
            return account if resource is None else _opened(account, resource, job)
        case RunRequested(run_id=run, resource=resource):
            return _opened(account, resource, run)
        case (
            AccessTokenIssued()
            | AccessTokenRevoked()
            | EndpointRegistered()
            | EndpointRemoved()
            | NotificationRequested()
        ):
            return account
        case _:
            assert_never(event)


def evolve_commit(account: Account, recorded: Recorded) -> Account:
    """Fold one commit of the account's own subject: its events and the requests it answered."""
    for event in recorded.commit.events:
        if isinstance(event, AccountEvent):
            account = evolve(account, event)
    answered = dict(account.answered)
    for request in recorded.commit.requests:
        if request.idempotency_key is not None:
            answered[request.idempotency_key] = answered_by(request, recorded.sequence)
    return structs.replace(account, sequence=recorded.sequence, answered=answered)


def answered_by(request: Request, sequence: int) -> Answered:
    return Answered(request.fingerprint or "", sequence, request.events)


def _request_jobs(jobs: tuple[JobRequested, ...], account: Account) -> list[AccountEvent]:
    for job in jobs:
        if job.retry_of is not None and job.retry_of in account.retried:
            retry = account.retried[job.retry_of]
            raise Refused("already_retried", f"it is retried as {retry}", retried_as=retry)
    _check_available(sum(job.price_credits for job in jobs), account)
    events: list[AccountEvent] = []
    for job in jobs:
        hold = CreditsReserved(account_id=account.id, job_id=job.job_id, amount=job.price_credits)
        events += [hold, job]
    return events


def _about_endpoint(command: EndpointCommand, account: AccountId) -> AccountEvent:
    match command:
        case RegisterEndpoint(endpoint_id, url, types, enabled):
            return EndpointRegistered(
                account_id=account, endpoint_id=endpoint_id, url=url, types=types, enabled=enabled
            )
        case RemoveEndpoint(endpoint_id):
            return EndpointRemoved(account_id=account, endpoint_id=endpoint_id)
        case RequestNotification(endpoint_id, delivery_id):
            return NotificationRequested(
                account_id=account, endpoint_id=endpoint_id, delivery_id=delivery_id
            )
        case _:
            assert_never(command)


def _opened(account: Account, resource: str, by: str) -> Account:
    return structs.replace(account, open_resources={**account.open_resources, resource: by})


def _check_resources(command: RequestJobs, account: Account) -> None:
    run = command.run
    if run is not None and run.resource in account.open_resources:
        active = account.open_resources[run.resource]
        raise Refused("run_active", f"the run {active} is under way", run_id=active, runId=active)
    for job in command.jobs:
        if job.resource is not None and job.resource in account.open_resources:
            task = account.open_resources[job.resource]
            raise Refused("already_open", f"the job {task} is under way", task_id=task)


def _check_in_flight(count: int, in_flight_max: int, account: Account) -> None:
    if account.jobs_open + count > in_flight_max:
        raise Refused(
            "too_many_jobs",
            f"{account.jobs_open} jobs are in flight, {in_flight_max} may be",
            in_flight=account.jobs_open,
        )


def _check_available(amount: int, account: Account) -> None:
    if amount > account.available:
        raise Refused(
            "insufficient_credits",
            f"needs {amount} credits, {account.available} are available",
            needed=amount,
            available=account.available,
        )


def _check_amount(amount: int) -> None:
    if not 1 <= amount <= AMOUNT_MAX:
        raise invalid("amount", f"must be from 1 to {AMOUNT_MAX}")
