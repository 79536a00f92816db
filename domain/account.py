"""The account: what it has, what it holds, whose it is, what it was already answered."""

from collections.abc import Mapping

from msgspec import Struct, structs

from contracts import events
from contracts.commit import CommitRequest, Recorded
from contracts.ids import AccountId, JobId, TokenId
from domain.balance import MOVES, available
from domain.endpoints import EndpointCommand, Endpoints, decide_endpoint, evolve_endpoints
from domain.refusals import Refused, invalid
from domain.tokens import IssueToken, RevokeToken, issue, revoke

AMOUNT_MAX = 1_000_000_000
JOBS_IN_FLIGHT_MAX = 200


class EarlierAnswer(Struct, frozen=True):
    """Where the answer to a request stands: `events` are indices into the commit."""

    fingerprint: str
    sequence: int
    events: tuple[int, ...]


class NeededFacts(Struct, frozen=True):
    """What a decision has to know beside the account's row: earlier answers, earlier retries,
    which job or run is open for an exclusive key, which tokens are revoked, the endpoints.
    """

    keys: tuple[str, ...] = ()
    retry_of: tuple[JobId, ...] = ()
    exclusive_keys: tuple[str, ...] = ()
    tokens: tuple[TokenId, ...] = ()
    endpoints: bool = False


class Account(Struct, frozen=True, kw_only=True):
    """An account as of `sequence`, its last commit. Amounts are credits.

    Charges and releases are folded in later than they happen; until then `available` is too small,
    never too large.
    """

    id: AccountId
    granted: int = 0
    revoked: int = 0
    charged: int = 0
    held: int = 0
    jobs_open: int = 0  # Requested and not ended; ends are folded in later too.
    sequence: int = 0
    opened: bool = False
    owner: AccountId | None = None  # The account of the service that made this one.
    answered: Mapping[str, EarlierAnswer] = {}
    retried: Mapping[JobId, JobId] = {}  # Job -> its retry that is open or was completed.
    open_exclusive_keys: Mapping[str, str] = {}  # Key -> the job or run that is open for it.
    revoked_tokens: frozenset[TokenId] = frozenset()
    endpoints: Endpoints = {}

    @property
    def available(self) -> int:
        return available(
            granted=self.granted, revoked=self.revoked, charged=self.charged, held=self.held
        )

    @property
    def exists(self) -> bool:
        return self.opened or self.sequence > 0


class GrantCredits(Struct, frozen=True):
    """`by` is the account of the service that asks, None when an operator does."""

    amount: int
    reason: str
    by: AccountId | None = None


class RevokeCredits(Struct, frozen=True):
    amount: int
    reason: str


class RequestJobs(Struct, frozen=True):
    """All of the jobs or none; with `run`, they are its steps."""

    jobs: tuple[events.JobRequested, ...]
    in_flight_max: int = JOBS_IN_FLIGHT_MAX
    run: events.RunRequested | None = None


AccountCommand = (
    GrantCredits | RevokeCredits | RequestJobs | IssueToken | RevokeToken | EndpointCommand
)


def decide(command: AccountCommand, account: Account) -> list[events.AccountEvent]:
    """Return what happens; raise Refused when it may not."""
    match command:
        case GrantCredits(amount, reason, by):
            _check_amount(amount)
            granted = events.CreditsGranted(account_id=account.id, amount=amount, reason=reason)
            return [*_opening(by, account), granted]
        case RevokeCredits(amount, reason):
            _check_amount(amount)
            _check_available(amount, account)
            return [events.CreditsRevoked(account_id=account.id, amount=amount, reason=reason)]
        case RequestJobs(jobs, in_flight_max, run):
            _check_exclusive_keys(command, account)
            _check_in_flight(len(jobs), in_flight_max, account)
            requested = _request_jobs(jobs, account)
            return requested if run is None else [run, *requested]
        case IssueToken():
            return [*_opening(command.by, account), issue(command, account.id, account.owner)]
        case RevokeToken():
            return [*revoke(command, account.id, account.owner, account.revoked_tokens)]
        case _:
            return [decide_endpoint(command, account.id, account.endpoints)]


def earlier_answer(
    key: str | None, fingerprint: str | None, account: Account
) -> EarlierAnswer | None:
    """Return the answer that this Idempotency-Key already got; raise Refused for other content."""
    found = account.answered.get(key) if key is not None else None
    if found is not None and found.fingerprint != fingerprint:
        raise Refused("idempotency_key_reused", "the key was used before, with another body")
    return found


def evolve(account: Account, event: events.AccountEvent) -> Account:
    match event:
        case events.CreditsGranted() | events.CreditsRevoked() | events.CreditsReserved():
            return _moved(account, event)
        case events.JobRequested() | events.RunRequested():
            return _requested(account, event)
        case events.AccountOpened(owner=owner):
            return structs.replace(account, opened=True, owner=owner)
        case events.AccessTokenIssued():
            return account
        case events.AccessTokenRevoked(token_id=token):
            return structs.replace(account, revoked_tokens=account.revoked_tokens | {token})
        case _:
            return structs.replace(account, endpoints=evolve_endpoints(account.endpoints, event))


def evolve_commit(account: Account, recorded: Recorded) -> Account:
    """Fold one commit of the account's own subject: its events and the requests it answered."""
    for event in recorded.commit.events:
        if isinstance(event, events.AccountEvent):
            account = evolve(account, event)
    answered = dict(account.answered)
    for request in recorded.commit.requests:
        if request.idempotency_key is not None:
            answered[request.idempotency_key] = answered_by(request, recorded.sequence)
    return structs.replace(account, sequence=recorded.sequence, answered=answered)


def answered_by(request: CommitRequest, sequence: int) -> EarlierAnswer:
    return EarlierAnswer(request.fingerprint or "", sequence, request.events)


def _request_jobs(
    jobs: tuple[events.JobRequested, ...], account: Account
) -> list[events.AccountEvent]:
    for job in jobs:
        if job.retry_of is not None and job.retry_of in account.retried:
            retry = account.retried[job.retry_of]
            raise Refused("already_retried", f"it is retried as {retry}", retried_as=retry)
    _check_available(sum(job.price_credits for job in jobs), account)
    requested: list[events.AccountEvent] = []
    for job in jobs:
        hold = events.CreditsReserved(
            account_id=account.id, job_id=job.job_id, amount=job.price_credits
        )
        requested += [hold, job]
    return requested


def _opening(by: AccountId | None, account: Account) -> list[events.AccountEvent]:
    """Open the account with its first commit. From then on no other service may act on it."""
    if not account.exists:
        return [events.AccountOpened(account_id=account.id, owner=by)]
    if by is not None and by != account.owner:
        raise Refused("forbidden", "the account exists already, and is not one of yours")
    return []


def _moved(
    account: Account, event: events.CreditsGranted | events.CreditsRevoked | events.CreditsReserved
) -> Account:
    _, effects = MOVES[type(event)]
    sums = {name: getattr(account, name) + sign * event.amount for name, sign in effects.items()}
    return structs.replace(account, **sums)


def _requested(account: Account, event: events.JobRequested | events.RunRequested) -> Account:
    if isinstance(event, events.RunRequested):
        return _opened(account, event.exclusive_key, event.run_id)
    retried = account.retried
    if event.retry_of is not None:
        retried = {**retried, event.retry_of: event.job_id}
    account = structs.replace(account, retried=retried, jobs_open=account.jobs_open + 1)
    return (
        account
        if event.exclusive_key is None
        else _opened(account, event.exclusive_key, event.job_id)
    )


def _opened(account: Account, exclusive_key: str, by: str) -> Account:
    return structs.replace(
        account, open_exclusive_keys={**account.open_exclusive_keys, exclusive_key: by}
    )


def _check_exclusive_keys(command: RequestJobs, account: Account) -> None:
    run = command.run
    if run is not None and run.exclusive_key in account.open_exclusive_keys:
        active = account.open_exclusive_keys[run.exclusive_key]
        raise Refused("run_active", f"the run {active} is under way", run_id=active, runId=active)
    for job in command.jobs:
        if job.exclusive_key is not None and job.exclusive_key in account.open_exclusive_keys:
            task = account.open_exclusive_keys[job.exclusive_key]
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
