"""A boundary's desk: one decision against one job or one run, made on its last commit."""

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from msgspec import Struct, structs

from adapters.clock import fresh_commit_id, now
from adapters.event_log import EventLog, LogUnavailable, sequence_of
from contracts.commit import Commit, Recorded, Request
from contracts.ids import CommitId
from contracts.subjects import Subject

TRIES_MAX = 16

State = TypeVar("State")
Command = TypeVar("Command")


class Known(Struct, Generic[State], frozen=True):
    """A boundary's state and the guard that a decision about it needs."""

    state: State
    last: int  # Sequence of its own last commit; 0 before its first.


class Made(Struct, Generic[State], frozen=True):
    """What a decision wrote. `sequence` is 0 when there was nothing to write."""

    known: Known[State]
    events: tuple[Any, ...]
    commit_id: CommitId | None
    sequence: int


class Rules(Struct, Generic[State, Command], frozen=True):
    """What a desk has to know of its boundary. `carried` names the commit's field for its state,
    `first` finds its state in the account's commit that requests it.
    """

    subject: Callable[[Any], Subject]
    id_of: Callable[[State], Any]
    requested_in: Callable[[State], int]
    decide: Callable[[Command, State], Iterable[Any]]
    evolve: Callable[[State, Any], State]
    first: Callable[[Recorded, Any], State | None]
    carried: str


class BoundaryDesk(Generic[State, Command]):
    """Loads, decides, commits; after a conflict it looks again and decides again."""

    def __init__(self, log: EventLog, rules: Rules[State, Command]) -> None:
        self._log = log
        self._rules = rules

    async def load(self, boundary_id: Any, requested_in: int | None = None) -> Known[State] | None:
        """Return it as of its last commit, else as requested in the commit `requested_in`."""
        last = await self._log.last(self._rules.subject(boundary_id))
        state = getattr(last.commit, self._rules.carried) if last is not None else None
        if last is not None and state is not None:
            return Known(state, last.sequence)
        recorded = await self._log.read(requested_in) if requested_in else None
        first = self._rules.first(recorded, boundary_id) if recorded else None
        return Known(first, 0) if first is not None else None

    async def decide(
        self,
        known: Known[State],
        command: Command,
        *,
        causation: CommitId | None = None,
        request: Request | None = None,
    ) -> Made[State]:
        """Commit what the decider makes of the command, on whatever state it finds.

        Raise Refused as the decider does, LogUnavailable when the outcome is not known.
        """
        for _ in range(TRIES_MAX):
            made = await self.decide_once(known, command, causation=causation, request=request)
            if made is not None:
                return made
            state = known.state
            found = await self.load(self._rules.id_of(state), self._rules.requested_in(state))
            known = found or known
        msg = "the boundary is too busy"
        raise LogUnavailable(msg)

    async def decide_once(
        self,
        known: Known[State],
        command: Command,
        *,
        causation: CommitId | None = None,
        request: Request | None = None,
    ) -> Made[State] | None:
        """As `decide`, on this very state only: None when somebody else was faster."""
        events = tuple(self._rules.decide(command, known.state))
        if not events:
            return Made(known, (), None, 0)
        state = known.state
        for event in events:
            state = self._rules.evolve(state, event)
        requests: tuple[Request, ...] = ()
        if request is not None:
            requests = (structs.replace(request, events=tuple(range(len(events)))),)
        commit = Commit(
            id=fresh_commit_id(),
            at=now(),
            events=events,
            requests=requests,
            causation_id=causation,
            **{self._rules.carried: state},  # type: ignore[arg-type]
        )
        subject = self._rules.subject(self._rules.id_of(state))
        sequence = sequence_of(await self._log.append(subject, commit, after=known.last))
        if sequence is None:
            return None
        return Made(Known(state, sequence), events, commit.id, sequence)
