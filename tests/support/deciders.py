"""Given, when, then: the words in which a decider is tested."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import pytest

from domain.refusals import Refused

State = TypeVar("State")
Command = TypeVar("Command")
Event = TypeVar("Event")


class Given(Generic[State, Command, Event]):
    """A state, and the decider that is asked about it."""

    def __init__(
        self,
        decide: Callable[[Command, State], list[Event]],
        evolve: Callable[[State, Event], State],
        state: State,
        *history: Event,
    ) -> None:
        self._decide = decide
        for event in history:
            state = evolve(state, event)
        self.state = state

    def when(self, command: Command) -> "Outcome":
        try:
            return Outcome(list(self._decide(command, self.state)), None)
        except Refused as refusal:
            return Outcome([], refusal)


class Outcome:
    def __init__(self, events: list[Any], refusal: Refused | None) -> None:
        self.events = events
        self.refusal = refusal

    def then(self, *events: Any) -> None:
        assert self.refusal is None, self.refusal
        assert self.events == list(events)

    def then_nothing(self) -> None:
        self.then()

    def then_kinds(self, *kinds: type[Any]) -> None:
        assert self.refusal is None, self.refusal
        assert [type(event) for event in self.events] == list(kinds)

    def then_refused(self, code: str) -> None:
        if self.refusal is None:
            pytest.fail(f"not refused: {self.events}")
        assert self.refusal.code == code
