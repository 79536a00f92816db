"""A batch: the requests of one account that wait behind each other, and what is made of them."""

import asyncio

import msgspec
from msgspec import Struct

from adapters.event_log import COMMIT_BYTES_MAX
from contracts.commit import Request
from contracts.events import AccountEvent
from domain.account import (
    Account,
    AccountCommand,
    Answered,
    RequestJobs,
    RevokeToken,
    Wanted,
    decide,
    earlier_answer,
    evolve,
)
from domain.endpoints import EndpointCommand
from domain.refusals import Refused

EVENTS_MAX = 256
BATCH_BYTES_MAX = COMMIT_BYTES_MAX - 1024  # The rest is for what a commit has beside them.

_encoder = msgspec.json.Encoder()


class Wish(Struct, frozen=True, kw_only=True):
    """One request: what is wanted, by whom, and the key under which it may be repeated.

    Where one HTTP request is several wishes, each has a key of its own, and `whole_key` is the one
    that came with it: it stands for this content and no other.
    """

    command: AccountCommand
    actor: str
    correlation_id: str
    idempotency_key: str | None = None
    whole_key: str | None = None
    fingerprint: str | None = None
    trace_id: str | None = None


class Granted(Struct, frozen=True):
    """Where the answer stands. `events` are the request's own, taken from the commit; without
    any, everything was as wished already.
    """

    sequence: int
    events: tuple[AccountEvent, ...]
    replayed: bool = False


class Waiting(Struct):
    wish: Wish
    answer: "asyncio.Future[Granted]"


class Decided(Struct):
    """What one round makes of a batch: the commit, who is in it, who gets what else."""

    events: list[AccountEvent] = []
    requests: list[Request] = []  # In the order of `granted`.
    wholes: list[Request] = []  # They answer for a `whole_key`, and have no events of their own.
    size_bytes: int = 0
    granted: list[Waiting] = []
    unchanged: list[Waiting] = []
    refused: list[tuple[Waiting, Refused]] = []
    replayed: list[tuple[Waiting, Answered]] = []
    later: list[Waiting] = []  # The same key is in this commit already, or it is full.


def wanted_of(batch: list[Waiting]) -> Wanted:
    """Return what deciding on the batch has to know beside the account's row."""
    wishes = [waiting.wish for waiting in batch]
    keys = (key for wish in wishes for key in (wish.idempotency_key, wish.whole_key))
    commands = [wish.command for wish in wishes if isinstance(wish.command, RequestJobs)]
    jobs = [job for command in commands for job in command.jobs]
    of_jobs = {job.resource for job in jobs if job.resource is not None}
    of_runs = {command.run.resource for command in commands if command.run is not None}
    revoked = (wish.command for wish in wishes if isinstance(wish.command, RevokeToken))
    return Wanted(
        tuple(key for key in keys if key is not None),
        tuple(job.retry_of for job in jobs if job.retry_of is not None),
        tuple(sorted(of_jobs | of_runs)),
        tuple(command.token_id for command in revoked),
        endpoints=any(isinstance(wish.command, EndpointCommand) for wish in wishes),
    )


def decide_batch(state: Account, batch: list[Waiting]) -> Decided:
    """Decide on each, in turn, on what those before it leave."""
    decided = Decided()
    keys: set[str] = set()
    for waiting in batch:
        key = waiting.wish.idempotency_key
        if key in keys or len(decided.events) >= EVENTS_MAX:
            decided.later.append(waiting)
            continue
        try:
            state = _decide_one(decided, state, waiting)
        except Refused as refusal:
            decided.refused.append((waiting, refusal))
            continue
        if key is not None:
            keys.add(key)
    return decided


def _decide_one(decided: Decided, state: Account, waiting: Waiting) -> Account:
    """Sort one wish into what was decided; return the state after it."""
    wish = waiting.wish
    whole = earlier_answer(wish.whole_key, wish.fingerprint, state)
    earlier = earlier_answer(wish.idempotency_key, wish.fingerprint, state)
    if earlier is not None:
        decided.replayed.append((waiting, earlier))
        return state
    events = decide(wish.command, state)
    if not events:
        decided.unchanged.append(waiting)
        return state
    request = _request(wish, wish.idempotency_key, len(decided.events), len(events))
    wholes = [_request(wish, wish.whole_key, 0, 0)] if wish.whole_key and whole is None else []
    size_bytes = len(_encoder.encode((events, request, wholes)))
    if size_bytes > BATCH_BYTES_MAX:
        raise Refused("too_large", f"the request takes {size_bytes} bytes of the log")
    if decided.size_bytes + size_bytes > BATCH_BYTES_MAX:
        decided.later.append(waiting)
        return state
    decided.size_bytes += size_bytes
    decided.events += events
    decided.granted.append(waiting)
    decided.requests.append(request)
    decided.wholes += wholes
    for event in events:
        state = evolve(state, event)
    return state


def _request(wish: Wish, key: str | None, first: int, count: int) -> Request:
    return Request(
        actor=wish.actor,
        correlation_id=wish.correlation_id,
        events=tuple(range(first, first + count)),
        idempotency_key=key,
        fingerprint=wish.fingerprint,
        trace_id=wish.trace_id,
    )
