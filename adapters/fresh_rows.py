"""Fresh rows: services act on rows only when the rows are as new as the log's end."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar, cast

from msgspec import Struct, structs
from sqlalchemy import Connection

from adapters.changes import Changes
from adapters.database import Database, P, T, Work
from adapters.peers import Peers
from adapters.sweep import Act, Pace, Sweep
from application.event_log import EventLog
from application.ports import NotThereYet
from domain.turns import Turn, WaitingRow

Row = TypeVar("Row", bound=WaitingRow)
Due = Callable[[Connection, Turn], list[Row]]

FRESH_SECONDS = 2.0


class FreshRows(Struct, eq=False):
    """Reads rows to act on. While the projector lags, stands still or rebuilds the read models, the
    rows show the past: then NotThereYet is raised, and the sweep tries again later. `position_of`
    reads the position in the same snapshot as the rows: the one announced last may be that of rows
    that have been deleted for a rebuild since.
    """

    log: EventLog
    changes: Changes
    database: Database
    position_of: Callable[[Connection], int]
    peers: Peers

    def sweep(
        self, name: str, pace: Pace, due: Due[Row], act: Act[Row], wake: asyncio.Event | None = None
    ) -> Sweep[Row]:
        """Return a sweep over this process's part of the rows that `due` reads."""
        return Sweep(name, pace, partial(self.take_part, due), act, wake)

    async def read(self, work: Work[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Return what `work` reads, as of the log's present end or later."""
        end = await self.log.end()
        await self.changes.wait_for(end, FRESH_SECONDS)

        def checked(connection: Connection) -> tuple[int, T | None]:
            position = self.position_of(connection)
            return position, (work(connection, *arguments, **named) if position >= end else None)

        position, found = await self.database.read(checked)
        if position < end:
            self.changes.advance(position)
            raise NotThereYet(f"the read models went back to {position}, {end} was asked for")
        return cast("T", found)

    async def take(self, due: Due[Row], turn: Turn) -> list[Row]:
        """As `read`, but look for one row first: most often none is due, and no end is needed."""
        one = structs.replace(turn, limit=min(turn.limit, 1))
        if not await self.database.read(due, one):
            return []
        return await self.read(due, turn)

    async def take_part(self, due: Due[Row], turn: Turn) -> list[Row]:
        """As `take`, but only this process's rows. The turn notes its peers' for the next query."""
        if turn.limit < 1:
            return []
        # No wider: the query alternates lanes only when more rows are due than its limit.
        wide = structs.replace(turn, limit=turn.limit * self.peers.count)
        rows = await self.take(due, wide)
        own = [row for row in rows if self.peers.is_mine(row.key)]
        turn.after = _last_lane(rows, own, turn.limit, wide.after)
        turn.taken_by_others = {row.key for row in rows} - {row.key for row in own}
        turn.more_behind_others = len(rows) >= wide.limit and len(own) < turn.limit
        return own[: turn.limit]


def _last_lane(rows: list[Row], own: list[Row], limit: int, after: str) -> str:
    """Return the lane behind which the next turn begins: `after`, as the query gave it, unless a
    lane's own turn fell behind the limit, which is then the next to be served. Rows behind the one
    of lane `after` are the oldest of all lanes, and not a lane's turn.
    """
    lanes = [row.lane for row in rows]
    turns = lanes.index(after) + 1 if after in lanes else len(rows)
    is_left_out = len(own) > limit and rows.index(own[limit]) < turns
    return own[limit - 1].lane if is_left_out else after
