"""Fresh rows: what acts on the world first knows that its rows are as new as the log's end."""

from collections.abc import Callable
from typing import TypeVar, cast

from msgspec import structs
from sqlalchemy import Connection

from adapters.changes import Changes
from adapters.database import Database, DatabaseUnavailable, P, T, Work
from adapters.peers import Peers
from application.event_log import EventLog
from application.ports import NotThereYet
from contracts.commit import Mark
from domain.turns import Turn, WaitingRow

Row = TypeVar("Row", bound=WaitingRow)
Due = Callable[[Connection, Turn], list[Row]]

FRESH_SECONDS = 2.0


class FreshRows:
    """Reads rows to act on. While the read models lag, stand still or are made anew, they tell
    of a past that is over: then `NotThereYet` is raised, and whoever sweeps rests.

    `position_of` reads where the rows are from the very snapshot that they are read from: what was
    announced last may have been said of rows that are made anew by now.
    """

    def __init__(
        self,
        log: EventLog,
        changes: Changes,
        database: Database,
        position_of: Callable[[Connection], int],
    ) -> None:
        self._log = log
        self.changes = changes
        self._database = database
        self._position_of = position_of

    async def read(self, work: Work[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Return what `work` reads, as of the log's end right now or later."""
        end = await self._log.end()
        await self.changes.wait_for(end, FRESH_SECONDS)

        def checked(connection: Connection) -> tuple[int, T | None]:
            position = self._position_of(connection)
            return position, (work(connection, *arguments, **named) if position >= end else None)

        position, found = await self._database.read(checked)
        if position < end:
            self.changes.advance(position)
            raise NotThereYet(f"the read models went back to {position}, {end} was asked for")
        return cast("T", found)

    async def take(self, due: Due[Row], turn: Turn) -> list[Row]:
        """As `read`, for a turn of rows that are due. Where nothing waits, which one row tells, the
        log is not asked.
        """
        one = structs.replace(turn, limit=min(turn.limit, 1))
        if not await self._database.read(due, one):
            return []
        return await self.read(due, turn)

    async def take_part(self, peers: Peers, due: Due[Row], turn: Turn) -> list[Row]:
        """As `take`, of which this process's part is returned; its peers take theirs. Their rows
        are noted in the turn, so that the next look goes on behind them, however many there are.
        """
        if turn.limit < 1:
            return []
        # No wider: turns by lane are made of more rows than are asked for only.
        wide = structs.replace(turn, limit=turn.limit * peers.count)
        rows = await self.take(due, wide)
        own = [row for row in rows if peers.is_mine(row.key)]
        turn.after = _after(rows, own, turn.limit, wide.after)
        turn.others = {row.key for row in rows} - {row.key for row in own}
        turn.hides_more = len(rows) >= wide.limit and len(own) < turn.limit
        return own[: turn.limit]


def _after(rows: list[Row], own: list[Row], limit: int, after: str) -> str:
    """Return behind which lane the next turn begins. A lane that was left out for want of room is
    the next one; the rows behind those of `after` are the oldest of all, and no lane's turn.
    """
    lanes = [row.lane for row in rows]
    turns = lanes.index(after) + 1 if after in lanes else len(rows)
    is_left_out = len(own) > limit and rows.index(own[limit]) < turns
    return own[limit - 1].lane if is_left_out else after


async def expect_mark(
    log: EventLog, database: Database, find: Callable[[Connection], Mark | None]
) -> None:
    """Let the log be checked against the read models: it must have the commit that they are at."""
    try:
        mark = await database.read(find)
    except DatabaseUnavailable:
        return  # There are none yet, or nobody can read them: nothing is decided on them either.
    if mark is not None:
        log.expect(mark)
