"""Commands to one account: those that wait behind each other become one commit."""

import asyncio

from msgspec import Struct

from application.clock import fresh_commit_id, now
from application.event_log import EventLog, LogUnavailable, OutcomeUnknown, require_stored, tail
from application.ports import ReadModelPosition, SnapshotReader
from contracts.commit import Commit, Recorded
from contracts.events import AccountEvent
from contracts.ids import AccountId
from contracts.subjects import account_subject
from domain.account import Account, EarlierAnswer, NeededFacts, earlier_answer, evolve_commit
from domain.account_batch import LIMITS, AccountRequest, BatchDecision, decide_batch, needed_facts
from domain.refusals import Refused

TRIES_MAX = 64
IN_FLIGHT_SECONDS = 2.0
TRY_SECONDS_MAX = 2.0
ACCOUNTS_REMEMBERED_MAX = 10_000


class CommandResult(Struct, frozen=True):
    """Where the answer stands. `events` are the request's own, taken from the commit; without
    any, everything was as asked for already.
    """

    sequence: int
    events: tuple[AccountEvent, ...]
    replayed: bool = False


class _Pending(Struct):
    request: AccountRequest
    result: "asyncio.Future[CommandResult]"


class AccountCommandHandler:
    """Decides on one snapshot: the account's row plus the tail of commits after it."""

    def __init__(self, log: EventLog, read: SnapshotReader, rows: ReadModelPosition) -> None:
        self._log = log
        self._read = read
        self._rows = rows
        self._queues: dict[AccountId, list[_Pending]] = {}
        self._tails: dict[AccountId, list[Recorded]] = {}
        self._workers: set[asyncio.Task[None]] = set()
        self._under_way: dict[tuple[AccountId, str], asyncio.Future[CommandResult]] = {}

    async def execute(self, account: AccountId, request: AccountRequest) -> CommandResult:
        """Return what was committed; raise Refused, LogUnavailable when nothing was, or
        OutcomeUnknown when nobody can tell.
        """
        await self._wait_for_first(account, request.idempotency_key)
        pending = _Pending(request, asyncio.get_running_loop().create_future())
        self._note_key(account, pending)
        queue = self._queues.get(account)
        if queue is None:
            self._queues[account] = [pending]
            worker = asyncio.create_task(self._work_off(account))
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        else:
            queue.append(pending)
        return await asyncio.shield(pending.result)  # A caller that leaves cancels nobody.

    async def earlier_result(
        self, account: AccountId, key: str, fingerprint: str, *, fresh: bool = False
    ) -> CommandResult | None:
        """Return what this key was answered already; raise Refused if that was other content.

        Unless `fresh`, another process's answer of this moment can be missed: `execute` finds it.
        """
        await self._wait_for_first(account, key)
        if fresh:
            await self._rows.wait_for(await self._log.end())
        state = await self._state(account, NeededFacts((key,)))
        found = earlier_answer(key, fingerprint, state)
        return await self._read_result(found) if found is not None else None

    async def _wait_for_first(self, account: AccountId, key: str | None) -> None:
        """A repeat waits for the request that it repeats; raise Refused when that takes long."""
        first = self._under_way.get((account, key or ""))
        if first is not None:
            await asyncio.wait({first}, timeout=IN_FLIGHT_SECONDS)
            if not first.done():
                detail = "the first request with this key is not answered yet"
                raise Refused("idempotency_in_flight", detail)

    def _note_key(self, account: AccountId, pending: _Pending) -> None:
        if pending.request.idempotency_key is not None:
            name = (account, pending.request.idempotency_key)
            self._under_way.setdefault(name, pending.result)
            pending.result.add_done_callback(lambda _: self._under_way.pop(name, None))

    async def _work_off(self, account: AccountId) -> None:
        queue = self._queues[account]
        while queue:
            batch = queue[: LIMITS.requests_max]
            del queue[: LIMITS.requests_max]
            try:
                await self._decide(account, batch)
            except Exception as error:  # noqa: BLE001 - it belongs to those who wait.
                for pending in batch:
                    if not pending.result.done():
                        pending.result.set_exception(error)
        del self._queues[account]

    async def _decide(self, account: AccountId, batch: list[_Pending]) -> None:
        clock = asyncio.get_running_loop().time
        deadline = clock() + TRY_SECONDS_MAX
        is_fresh = False
        for _ in range(TRIES_MAX):
            requests = [pending.request for pending in batch]
            state = await self._state(account, needed_facts(requests))
            decision = decide_batch(state, requests)
            if decision.refused and not is_fresh:
                # Never refuse on stale data: first see everything that was in the log.
                await self._rows.wait_for(await self._log.end())
                await self._refresh_tail(account)
                is_fresh = True
                continue
            if decision.accepted and not await self._commit(account, state, batch, decision):
                await self._refresh_tail(account)  # Somebody was faster: all are decided again.
            else:
                await self._answer_others(batch, decision, state)
                batch = [batch[index] for index in decision.postponed]
            if not batch:
                return
            if clock() > deadline:
                break
        raise LogUnavailable("the account is too busy")

    async def _state(self, account: AccountId, needed: NeededFacts) -> Account:
        state = await self._read(account, needed)
        later = [each for each in self._tails.get(account, ()) if each.sequence > state.sequence]
        for recorded in later:
            state = evolve_commit(state, recorded)
        if later:
            self._tails[account] = later
        else:
            self._tails.pop(account, None)
        return state

    async def _refresh_tail(self, account: AccountId) -> None:
        row = await self._read(account, NeededFacts())
        self._tails[account] = await tail(self._log, account_subject(account), row.sequence)

    async def _commit(
        self, account: AccountId, state: Account, batch: list[_Pending], decision: BatchDecision
    ) -> bool:
        """Append and answer; False after a conflict: somebody else was faster."""
        commit = Commit(
            id=fresh_commit_id(),
            at=now(),
            events=tuple(decision.events),
            requests=(*decision.answers, *decision.whole_answers),
        )
        subject = account_subject(account)
        accepted = [batch[index] for index in decision.accepted]
        try:
            outcome = await self._log.append(subject, commit, after=state.sequence)
            sequence = require_stored(outcome)
        except OutcomeUnknown as error:
            for pending in accepted:
                pending.result.set_exception(error)
            raise LogUnavailable(str(error)) from error  # For those that are not in the commit.
        if sequence is None:
            return False
        if len(self._tails) > ACCOUNTS_REMEMBERED_MAX:
            self._tails.clear()  # Costs a conflict each, no more: the guard is what decides.
        self._tails.setdefault(account, []).append(Recorded(sequence, subject, commit))
        for pending, answer in zip(accepted, decision.answers, strict=True):
            own = tuple(decision.events[index] for index in answer.events)
            pending.result.set_result(CommandResult(sequence, own))
        return True

    async def _answer_others(
        self, batch: list[_Pending], decision: BatchDecision, state: Account
    ) -> None:
        """Answer those that needed no commit, once that of their neighbours stands."""
        for index, refused in decision.refused.items():
            batch[index].result.set_exception(refused)
        for index in decision.unchanged:
            batch[index].result.set_result(CommandResult(state.sequence, ()))
        for index, earlier in decision.repeated.items():
            batch[index].result.set_result(await self._read_result(earlier))

    async def _read_result(self, earlier: EarlierAnswer) -> CommandResult:
        recorded = await self._log.read(earlier.sequence)
        if recorded is None:
            raise LogUnavailable(f"the log has no commit {earlier.sequence}")
        events = [recorded.commit.events[index] for index in earlier.events]
        own = tuple(event for event in events if isinstance(event, AccountEvent))
        return CommandResult(earlier.sequence, own, replayed=True)
