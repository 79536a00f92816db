"""Batches: requests of one account that came while another was decided become one commit.

Each is decided on what those before it leave. One that is refused refuses no other.
"""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from contracts.commit import COMMIT_BYTES_MAX, CommitRequest
from contracts.events import AccountEvent
from domain.account import (
    Account,
    AccountCommand,
    EarlierAnswer,
    NeededFacts,
    RequestJobs,
    decide,
    earlier_answer,
    evolve,
)
from domain.endpoints import EndpointCommand
from domain.refusals import Refused
from domain.tokens import RevokeToken

_encoder = msgspec.json.Encoder()


class BatchLimits(Struct, frozen=True):
    """How large one commit may get. What does not fit waits for the next one."""

    requests_max: int = 64
    events_max: int = 256
    size_bytes_max: int = COMMIT_BYTES_MAX - 1024  # The rest is the commit's own envelope.


LIMITS = BatchLimits()


class AccountRequest(Struct, frozen=True, kw_only=True):
    """One request: the command, who asks, and the key under which it may be repeated.

    Where one HTTP request asks for several things, each has a key of its own, and `whole_key` is
    the one that came with it: it stands for this content and no other.
    """

    command: AccountCommand
    actor: str
    correlation_id: str
    idempotency_key: str | None = None
    whole_key: str | None = None
    fingerprint: str | None = None
    trace_id: str | None = None


class BatchDecision(Struct):
    """What becomes of each request of a batch, by its index there, and the commit's content."""

    events: list[AccountEvent] = []
    answers: list[CommitRequest] = []  # In the order of `accepted`.
    whole_answers: list[CommitRequest] = []  # For a `whole_key`: they have no events of their own.
    size_bytes: int = 0
    accepted: list[int] = []
    unchanged: list[int] = []  # Already as it was asked for.
    refused: dict[int, Refused] = {}
    repeated: dict[int, EarlierAnswer] = {}
    postponed: list[int] = []  # The same key is in this commit already, or it is full.


def needed_facts(requests: Sequence[AccountRequest]) -> NeededFacts:
    """Return what deciding on the batch has to know beside the account's row."""
    keys = (key for each in requests for key in (each.idempotency_key, each.whole_key))
    commands = [each.command for each in requests if isinstance(each.command, RequestJobs)]
    jobs = [job for command in commands for job in command.jobs]
    of_jobs = {job.exclusive_key for job in jobs if job.exclusive_key is not None}
    of_runs = {command.run.exclusive_key for command in commands if command.run is not None}
    revoked = (each.command for each in requests if isinstance(each.command, RevokeToken))
    return NeededFacts(
        tuple(key for key in keys if key is not None),
        tuple(job.retry_of for job in jobs if job.retry_of is not None),
        tuple(sorted(of_jobs | of_runs)),
        tuple(command.token_id for command in revoked),
        endpoints=any(isinstance(each.command, EndpointCommand) for each in requests),
    )


def decide_batch(
    account: Account, requests: Sequence[AccountRequest], limits: BatchLimits = LIMITS
) -> BatchDecision:
    batch = BatchDecision()
    keys: set[str] = set()
    for index, request in enumerate(requests):
        key = request.idempotency_key
        if key in keys or len(batch.events) >= limits.events_max:
            batch.postponed.append(index)
            continue
        try:
            account = _decide_one(batch, account, index, request, limits)
        except Refused as refused:
            batch.refused[index] = refused
            continue
        if key is not None:
            keys.add(key)
    return batch


def _decide_one(
    batch: BatchDecision, account: Account, index: int, request: AccountRequest, limits: BatchLimits
) -> Account:
    """Decide on one request; return the account after it."""
    whole = earlier_answer(request.whole_key, request.fingerprint, account)
    earlier = earlier_answer(request.idempotency_key, request.fingerprint, account)
    if earlier is not None:
        batch.repeated[index] = earlier
        return account
    events = decide(request.command, account)
    if not events:
        batch.unchanged.append(index)
        return account
    answer = _answer(request, request.idempotency_key, len(batch.events), len(events))
    is_first_of_whole = request.whole_key is not None and whole is None
    whole_answers = [_answer(request, request.whole_key, 0, 0)] if is_first_of_whole else []
    size_bytes = len(_encoder.encode((events, answer, whole_answers)))
    if size_bytes > limits.size_bytes_max:
        raise Refused("too_large", f"the request takes {size_bytes} bytes of the log")
    if batch.size_bytes + size_bytes > limits.size_bytes_max:
        batch.postponed.append(index)
        return account
    batch.size_bytes += size_bytes
    batch.events += events
    batch.accepted.append(index)
    batch.answers.append(answer)
    batch.whole_answers += whole_answers
    for event in events:
        account = evolve(account, event)
    return account


def _answer(request: AccountRequest, key: str | None, first: int, count: int) -> CommitRequest:
    return CommitRequest(
        actor=request.actor,
        correlation_id=request.correlation_id,
        events=tuple(range(first, first + count)),
        idempotency_key=key,
        fingerprint=request.fingerprint,
        trace_id=request.trace_id,
    )
