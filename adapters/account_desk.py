"""The account desk: requests of one account that wait behind each other become one commit."""

import asyncio
from collections.abc import Awaitable, Callable

from msgspec import Struct

from adapters.changes import Changes
from adapters.clock import fresh_commit_id, now
from adapters.event_log import EventLog, LogUnavailable, sequence_of, tail
from contracts.commit import Commit, Recorded, Request
from contracts.events import AccountEvent
from contracts.ids import AccountId
from contracts.subjects import account_subject
from domain.account import (
    Account,
    AccountCommand,
    Answered,
    RequestJobs,
    Wanted,
    decide,
    earlier_answer,
    evolve,
    evolve_commit,
)
from domain.refusals import Refused

TRIES_MAX = 64
IN_FLIGHT_SECONDS = 2.0
TRY_SECONDS_MAX = 2.0
BATCH_MAX = 64
EVENTS_MAX = 256
ACCOUNTS_REMEMBERED_MAX = 10_000


class Wish(Struct, frozen=True, kw_only=True):
    """One request: what is wanted, by whom, and the key under which it may be repeated."""

    command: AccountCommand
    actor: str
    correlation_id: str
    idempotency_key: str | None = None
    fingerprint: str | None = None
    trace_id: str | None = None


class Granted(Struct, frozen=True):
    """Where the answer stands. `events` are the request's own, taken from the commit."""

    sequence: int
    events: tuple[AccountEvent, ...]
    replayed: bool = False


class _Waiting(Struct):
    wish: Wish
    answer: "asyncio.Future[Granted]"


class _Decided(Struct):
    """What one round makes of a batch: the commit, who is in it, who gets what else."""

    events: list[AccountEvent] = []
    requests: list[Request] = []
    granted: list[_Waiting] = []
    refused: list[tuple[_Waiting, Refused]] = []
    replayed: list[tuple[_Waiting, Answered]] = []
    later: list[_Waiting] = []  # The same key is in this commit already, or it is full.


# Reads the account's row and, in the same snapshot, what is wanted beside it.
SnapshotReader = Callable[[AccountId, Wanted], Awaitable[Account]]


class AccountDesk:
    """Decides on one snapshot: the account's row plus the tail of commits after it."""

    def __init__(self, log: EventLog, read: SnapshotReader, changes: Changes) -> None:
        self._log = log
        self._read = read
        self._changes = changes
        self._queues: dict[AccountId, list[_Waiting]] = {}
        self._tails: dict[AccountId, list[Recorded]] = {}
        self._workers: set[asyncio.Task[None]] = set()
        self._under_way: dict[tuple[AccountId, str], asyncio.Future[Granted]] = {}

    async def ask(self, account: AccountId, wish: Wish) -> Granted:
        """Return what was committed; raise Refused, or LogUnavailable when nobody can tell."""
        await self._wait_for_the_first(account, wish)
        waiting = _Waiting(wish, asyncio.get_running_loop().create_future())
        self._mark(account, waiting)
        queue = self._queues.get(account)
        if queue is None:
            self._queues[account] = [waiting]
            worker = asyncio.create_task(self._serve(account))
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        else:
            queue.append(waiting)
        return await asyncio.shield(waiting.answer)  # A caller that leaves cancels nobody.

    async def _wait_for_the_first(self, account: AccountId, wish: Wish) -> None:
        """A repeat waits for the request that it repeats; raise Refused when that takes long."""
        first = self._under_way.get((account, wish.idempotency_key or ""))
        if first is not None:
            await asyncio.wait({first}, timeout=IN_FLIGHT_SECONDS)
            if not first.done():
                detail = "the first request with this key is not answered yet"
                raise Refused("idempotency_in_flight", detail)

    def _mark(self, account: AccountId, waiting: _Waiting) -> None:
        if waiting.wish.idempotency_key is not None:
            marker = (account, waiting.wish.idempotency_key)
            self._under_way.setdefault(marker, waiting.answer)
            waiting.answer.add_done_callback(lambda _: self._under_way.pop(marker, None))

    async def _serve(self, account: AccountId) -> None:
        queue = self._queues[account]
        while queue:
            batch = queue[:BATCH_MAX]
            del queue[:BATCH_MAX]
            try:
                await self._answer(account, batch)
            except Exception as error:  # noqa: BLE001 - it belongs to those who wait.
                for waiting in batch:
                    if not waiting.answer.done():
                        waiting.answer.set_exception(error)
        del self._queues[account]

    async def _answer(self, account: AccountId, batch: list[_Waiting]) -> None:
        clock = asyncio.get_running_loop().time
        deadline = clock() + TRY_SECONDS_MAX
        arrived_at: int | None = None
        for _ in range(TRIES_MAX):
            state = await self._state(account, batch)
            decided = _decide(state, batch)
            if decided.refused and arrived_at is None:
                # Never refuse on stale data: first see everything that was in the log.
                arrived_at = await self._log.end()
                await self._changes.wait_for(arrived_at)
                await self._refresh_tail(account)
                continue
            for waiting, refusal in decided.refused:
                waiting.answer.set_exception(refusal)
            await self._replay(decided)
            batch = decided.later
            if decided.granted and not await self._commit(account, state, decided):
                batch = decided.granted + decided.later
                await self._refresh_tail(account)
            if not batch:
                return
            if clock() > deadline:
                break
        msg = "the account is too busy"
        raise LogUnavailable(msg)

    async def _state(self, account: AccountId, batch: list[_Waiting]) -> Account:
        state = await self._read(account, _wanted(batch))
        later = [each for each in self._tails.get(account, ()) if each.sequence > state.sequence]
        for recorded in later:
            state = evolve_commit(state, recorded)
        if later:
            self._tails[account] = later
        else:
            self._tails.pop(account, None)
        return state

    async def _refresh_tail(self, account: AccountId) -> None:
        known = await self._read(account, Wanted())
        self._tails[account] = await tail(self._log, account_subject(account), known.sequence)

    async def _commit(self, account: AccountId, state: Account, decided: _Decided) -> bool:
        """Append and answer; False after a conflict: somebody else was faster."""
        commit = Commit(
            id=fresh_commit_id(),
            at=now(),
            events=tuple(decided.events),
            requests=tuple(decided.requests),
        )
        subject = account_subject(account)
        sequence = sequence_of(await self._log.append(subject, commit, after=state.sequence))
        if sequence is None:
            return False
        if len(self._tails) > ACCOUNTS_REMEMBERED_MAX:
            self._tails.clear()  # Costs a conflict each, no more: the guard is what decides.
        self._tails.setdefault(account, []).append(Recorded(sequence, subject, commit))
        for waiting, request in zip(decided.granted, decided.requests, strict=True):
            own = tuple(decided.events[index] for index in request.events)
            waiting.answer.set_result(Granted(sequence, own))
        return True

    async def _replay(self, decided: _Decided) -> None:
        for waiting, earlier in decided.replayed:
            recorded = await self._log.read(earlier.sequence)
            if recorded is None:
                msg = f"the log has no commit {earlier.sequence}"
                raise LogUnavailable(msg)
            events = [recorded.commit.events[index] for index in earlier.events]
            own = tuple(event for event in events if isinstance(event, AccountEvent))
            waiting.answer.set_result(Granted(earlier.sequence, own, replayed=True))


def _wanted(batch: list[_Waiting]) -> Wanted:
    wishes = [waiting.wish for waiting in batch]
    keys = (wish.idempotency_key for wish in wishes)
    commands = [wish.command for wish in wishes if isinstance(wish.command, RequestJobs)]
    jobs = [job for command in commands for job in command.jobs]
    of_jobs = {job.resource for job in jobs if job.resource is not None}
    of_runs = {command.run.resource for command in commands if command.run is not None}
    return Wanted(
        tuple(key for key in keys if key is not None),
        tuple(job.retry_of for job in jobs if job.retry_of is not None),
        tuple(sorted(of_jobs | of_runs)),
    )


def _decide(state: Account, batch: list[_Waiting]) -> _Decided:
    decided = _Decided()
    keys: set[str] = set()
    for waiting in batch:
        wish = waiting.wish
        if wish.idempotency_key in keys or len(decided.events) >= EVENTS_MAX:
            decided.later.append(waiting)
            continue
        try:
            earlier = earlier_answer(wish.idempotency_key, wish.fingerprint, state)
            events = [] if earlier else decide(wish.command, state)
        except Refused as refusal:
            decided.refused.append((waiting, refusal))
            continue
        if earlier is not None:
            decided.replayed.append((waiting, earlier))
            continue
        if wish.idempotency_key is not None:
            keys.add(wish.idempotency_key)
        _admit(decided, waiting, events)
        for event in events:
            state = evolve(state, event)
    return decided


def _admit(decided: _Decided, waiting: _Waiting, events: list[AccountEvent]) -> None:
    first = len(decided.events)
    wish = waiting.wish
    decided.events += events
    decided.granted.append(waiting)
    decided.requests.append(
        Request(
            actor=wish.actor,
            correlation_id=wish.correlation_id,
            events=tuple(range(first, len(decided.events))),
            idempotency_key=wish.idempotency_key,
            fingerprint=wish.fingerprint,
            trace_id=wish.trace_id,
        )
    )
