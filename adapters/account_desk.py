"""The account desk: requests of one account that wait behind each other become one commit."""

import asyncio
from collections.abc import Awaitable, Callable

from adapters.account_batch import Decided, Granted, Waiting, Wish, decide_batch, wanted_of
from adapters.changes import Changes
from adapters.clock import fresh_commit_id, now
from adapters.event_log import EventLog, LogUnavailable, OutcomeUnknown, sequence_of, tail
from contracts.commit import Commit, Recorded
from contracts.events import AccountEvent
from contracts.ids import AccountId
from contracts.subjects import account_subject
from domain.account import Account, Answered, Wanted, earlier_answer, evolve_commit
from domain.refusals import Refused

__all__ = ["AccountDesk", "Granted", "Wish"]

TRIES_MAX = 64
IN_FLIGHT_SECONDS = 2.0
TRY_SECONDS_MAX = 2.0
BATCH_MAX = 64
ACCOUNTS_REMEMBERED_MAX = 10_000

# Reads the account's row and, in the same snapshot, what is wanted beside it.
SnapshotReader = Callable[[AccountId, Wanted], Awaitable[Account]]


class AccountDesk:
    """Decides on one snapshot: the account's row plus the tail of commits after it."""

    def __init__(self, log: EventLog, read: SnapshotReader, changes: Changes) -> None:
        self._log = log
        self._read = read
        self._changes = changes
        self._queues: dict[AccountId, list[Waiting]] = {}
        self._tails: dict[AccountId, list[Recorded]] = {}
        self._workers: set[asyncio.Task[None]] = set()
        self._under_way: dict[tuple[AccountId, str], asyncio.Future[Granted]] = {}

    async def ask(self, account: AccountId, wish: Wish) -> Granted:
        """Return what was committed; raise Refused, LogUnavailable when nothing was, or
        OutcomeUnknown when nobody can tell.
        """
        await self._wait_for_the_first(account, wish.idempotency_key)
        waiting = Waiting(wish, asyncio.get_running_loop().create_future())
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

    async def earlier(
        self, account: AccountId, key: str, fingerprint: str, *, fresh: bool = False
    ) -> Granted | None:
        """Return what this key was answered already; raise Refused if that was other content.

        Unless `fresh`, another process's answer of this moment can be missed: `ask` finds it.
        """
        await self._wait_for_the_first(account, key)
        if fresh:
            await self._changes.wait_for(await self._log.end())
        state = await self._state(account, Wanted((key,)))
        found = earlier_answer(key, fingerprint, state)
        return await self._answered(found) if found is not None else None

    async def _wait_for_the_first(self, account: AccountId, key: str | None) -> None:
        """A repeat waits for the request that it repeats; raise Refused when that takes long."""
        first = self._under_way.get((account, key or ""))
        if first is not None:
            await asyncio.wait({first}, timeout=IN_FLIGHT_SECONDS)
            if not first.done():
                detail = "the first request with this key is not answered yet"
                raise Refused("idempotency_in_flight", detail)

    def _mark(self, account: AccountId, waiting: Waiting) -> None:
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

    async def _answer(self, account: AccountId, batch: list[Waiting]) -> None:
        clock = asyncio.get_running_loop().time
        deadline = clock() + TRY_SECONDS_MAX
        is_fresh = False
        for _ in range(TRIES_MAX):
            state = await self._state(account, wanted_of(batch))
            decided = decide_batch(state, batch)
            if decided.refused and not is_fresh:
                # Never refuse on stale data: first see everything that was in the log.
                await self._changes.wait_for(await self._log.end())
                await self._refresh_tail(account)
                is_fresh = True
                continue
            if decided.granted and not await self._commit(account, state, decided):
                await self._refresh_tail(account)  # Somebody was faster: all are decided again.
            else:
                await self._tell(decided, state)
                batch = decided.later
            if not batch:
                return
            if clock() > deadline:
                break
        msg = "the account is too busy"
        raise LogUnavailable(msg)

    async def _state(self, account: AccountId, wanted: Wanted) -> Account:
        state = await self._read(account, wanted)
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

    async def _commit(self, account: AccountId, state: Account, decided: Decided) -> bool:
        """Append and answer; False after a conflict: somebody else was faster."""
        commit = Commit(
            id=fresh_commit_id(),
            at=now(),
            events=tuple(decided.events),
            requests=(*decided.requests, *decided.wholes),
        )
        subject = account_subject(account)
        try:
            sequence = sequence_of(await self._log.append(subject, commit, after=state.sequence))
        except OutcomeUnknown as error:
            for waiting in decided.granted:
                waiting.answer.set_exception(error)
            raise LogUnavailable(str(error)) from error  # For those that are not in the commit.
        if sequence is None:
            return False
        if len(self._tails) > ACCOUNTS_REMEMBERED_MAX:
            self._tails.clear()  # Costs a conflict each, no more: the guard is what decides.
        self._tails.setdefault(account, []).append(Recorded(sequence, subject, commit))
        for waiting, request in zip(decided.granted, decided.requests, strict=True):
            own = tuple(decided.events[index] for index in request.events)
            waiting.answer.set_result(Granted(sequence, own))
        return True

    async def _tell(self, decided: Decided, state: Account) -> None:
        """Answer those that needed no commit, once that of their neighbours stands."""
        for waiting, refusal in decided.refused:
            waiting.answer.set_exception(refusal)
        for waiting in decided.unchanged:
            waiting.answer.set_result(Granted(state.sequence, ()))
        for waiting, earlier in decided.replayed:
            waiting.answer.set_result(await self._answered(earlier))

    async def _answered(self, earlier: Answered) -> Granted:
        recorded = await self._log.read(earlier.sequence)
        if recorded is None:
            msg = f"the log has no commit {earlier.sequence}"
            raise LogUnavailable(msg)
        events = [recorded.commit.events[index] for index in earlier.events]
        own = tuple(event for event in events if isinstance(event, AccountEvent))
        return Granted(earlier.sequence, own, replayed=True)
