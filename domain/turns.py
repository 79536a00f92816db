"""Turns: which of the rows that wait are to be taken next, so that nobody hides the others."""

from collections.abc import Collection
from typing import Protocol

from msgspec import Struct


class WaitingRow(Protocol):
    """A row that waits. `key` is its own; `lane` is who takes turns: an account, or a customer's
    endpoint.
    """

    @property
    def key(self) -> str: ...

    @property
    def lane(self) -> str: ...


class Turn(Struct):
    """Rows that are due since `until` (microseconds) or longer, at most `limit` of them.

    `skip` are keys of rows that somebody works on, or that have to wait before the next try;
    `full` are lanes that have enough for now; `after` is the lane that was served last. What was
    found comes back in it too: `taken_by_others` are keys of rows that other processes take, and
    `more_behind_others` says that these used up the query's limit.
    """

    until: int
    limit: int
    after: str = ""
    skip: Collection[str] = ()
    full: Collection[str] = ()
    taken_by_others: Collection[str] = ()
    more_behind_others: bool = False
