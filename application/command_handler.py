"""Commands to one job or one run: each is decided on the last commit of its own boundary."""

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from msgspec import Struct, structs

from application.clock import fresh_commit_id, now
from application.event_log import EventLog, LogUnavailable, require_stored
from contracts.commit import Commit, CommitRequest, Recorded
from contracts.ids import CommitId
from contracts.job_state import JobState
from contracts.run_state import RunState
from contracts.subjects import Subject

TRIES_MAX = 16

State = TypeVar("State", bound=JobState | RunState)
Command = TypeVar("Command")


class Loaded(Struct, Generic[State], frozen=True):
    """A boundary's state, and the guard of a decision about it: `expected_sequence` is that of
    its own last commit, 0 before its first.
    """

    state: State
    expected_sequence: int


class Decision(Struct, Generic[State], frozen=True):
    """What a command led to, and the boundary after it. Where there was nothing to write,
    `events` is empty and `sequence` is 0.
    """

    loaded: Loaded[State]
    events: tuple[Any, ...] = ()
    commit_id: CommitId | None = None
    sequence: int = 0


class Decider(Struct, Generic[State, Command], frozen=True):
    """A boundary's rules, and where its state is found: `carried` names the field in which its
    commits carry it, `requested` reads it from the account's commit that requests it.
    """

    subject: Callable[[Any], Subject]
    id_of: Callable[[State], Any]
    decide: Callable[[Command, State], Iterable[Any]]
    evolve: Callable[[State, Any], State]
    requested: Callable[[Recorded, Any], State | None]
    carried: str


class CommandHandler(Generic[State, Command]):
    """Loads, decides, commits; after a conflict it loads and decides again."""

    def __init__(self, log: EventLog, decider: Decider[State, Command]) -> None:
        self._log = log
        self._decider = decider

    async def load(
        self, boundary_id: Any, requested_sequence: int | None = None
    ) -> Loaded[State] | None:
        """Return it as of its last commit, else as requested in the commit `requested_sequence`."""
        last = await self._log.last(self._decider.subject(boundary_id))
        state = getattr(last.commit, self._decider.carried) if last is not None else None
        if last is not None and state is not None:
            return Loaded(state, last.sequence)
        recorded = await self._log.read(requested_sequence) if requested_sequence else None
        requested = self._decider.requested(recorded, boundary_id) if recorded else None
        return Loaded(requested, 0) if requested is not None else None

    async def decide(
        self,
        loaded: Loaded[State],
        command: Command,
        *,
        causation: CommitId | None = None,
        request: CommitRequest | None = None,
    ) -> Decision[State]:
        """Commit what the decider makes of the command, on whatever state it finds.

        Raise Refused as the decider does, LogUnavailable when the outcome is not known.
        """
        for _ in range(TRIES_MAX):
            decision = await self.decide_once(loaded, command, causation=causation, request=request)
            if decision is not None:
                return decision
            state, decider = loaded.state, self._decider
            found = await self.load(decider.id_of(state), state.requested_sequence)
            loaded = found or loaded
        raise LogUnavailable("others decide about the same all the time")

    async def decide_once(
        self,
        loaded: Loaded[State],
        command: Command,
        *,
        causation: CommitId | None = None,
        request: CommitRequest | None = None,
    ) -> Decision[State] | None:
        """As `decide`, on this very state only: None when somebody else was faster."""
        events = tuple(self._decider.decide(command, loaded.state))
        if not events:
            return Decision(loaded)
        state = loaded.state
        for event in events:
            state = self._decider.evolve(state, event)
        requests: tuple[CommitRequest, ...] = ()
        if request is not None:
            requests = (structs.replace(request, events=tuple(range(len(events)))),)
        commit = Commit(
            id=fresh_commit_id(),
            at=now(),
            events=events,
            requests=requests,
            causation_id=causation,
            **{self._decider.carried: state},  # type: ignore[arg-type]
        )
        subject = self._decider.subject(self._decider.id_of(state))
        outcome = await self._log.append(subject, commit, after=loaded.expected_sequence)
        sequence = require_stored(outcome)
        if sequence is None:
            return None
        return Decision(Loaded(state, sequence), events, commit.id, sequence)
