"""Turns: takes rows that are due, so that no account's many rows hide the others'.

Rows are grouped by a lane: an account, or a customer's endpoint. When no more is due than was
asked for, all of it is taken. Otherwise each lane gives its oldest row, beginning behind the lane
where the last turn ended, and the rest is taken oldest first. Two indices answer it, one by (lane,
due, key) and one by (due, key), so it costs the same however many rows wait.
"""

from typing import Any

from sqlalchemy import BindParameter, Connection, Row, Table, Text, bindparam, select, text

from domain.turns import Turn

LANES_A_TURN_MIN, LANES_A_TURN_MAX = 16, 128


class Lanes:
    """The statements for one table. `where` is SQL that says which rows wait for this very
    thing; the columns are the table's key, its lane and the time since when a row is due.
    """

    def __init__(self, table: Table, *, key: str, lane: str, due: str, where: str) -> None:
        self._key = key
        self.table_name = table.name
        keys: BindParameter[Any] = bindparam("keys", expanding=True)
        self._rows = select(table).where(table.c[key].in_(keys)).order_by(table.c[due])
        names = {"table": table.name, "key": key, "lane": lane, "due": due, "where": where}
        self._oldest = _expanding(_OLDEST.format(**names))
        self._of_lanes = _expanding(_OF_LANES.format(**names))

    def take(self, connection: Connection, turn: Turn, **values: Any) -> list[Row[Any]]:
        """Return the rows of this turn, and remember in it where the next one begins."""
        if turn.limit < 1:
            return []
        wanted = {
            "until": turn.until,
            "limit": turn.limit + 1,
            "skip": list(turn.skip),
            "full": list(turn.full),
            **values,
        }
        keys = list(connection.execute(self._oldest, wanted).scalars())
        if len(keys) > turn.limit:
            first = self._one_of_each_lane(connection, turn, wanted)
            keys = list(dict.fromkeys([*first, *keys]))[: turn.limit]
        found = {row._mapping[self._key]: row for row in self._read(connection, keys)}  # noqa: SLF001
        return [found[key] for key in keys]

    def _one_of_each_lane(
        self, connection: Connection, turn: Turn, wanted: dict[str, Any]
    ) -> list[str]:
        """Go on behind the lane that was served last, and round to the first one again."""
        lanes_max = max(LANES_A_TURN_MIN, min(2 * turn.limit, LANES_A_TURN_MAX))
        wanted |= {"lanes": lanes_max}
        found = self._lanes_after(connection, wanted | {"after": turn.after})
        if len(found) < lanes_max and turn.after:
            found += self._lanes_after(connection, wanted | {"after": ""})
        served = [(lane, key) for lane, key in found if key is not None and lane not in turn.full]
        chosen = served[: turn.limit]
        if chosen:
            turn.after = chosen[-1][0]
        elif found:
            turn.after = found[-1][0]
        return [key for _, key in chosen]

    def _lanes_after(
        self, connection: Connection, wanted: dict[str, Any]
    ) -> list[tuple[str, str | None]]:
        rows = connection.execute(self._of_lanes, wanted)
        return [(row.lane, row.key) for row in rows]

    def _read(self, connection: Connection, keys: list[str]) -> list[Row[Any]]:
        return list(connection.execute(self._rows, {"keys": keys})) if keys else []


_OLDEST = """
SELECT {key} FROM {table}
WHERE {where} AND {due} <= :until AND {key} NOT IN :skip AND {lane} NOT IN :full
ORDER BY {due}, {key} LIMIT :limit
"""
# From one lane to the next by the index: what waits within a lane is never counted.
_OF_LANES = """
WITH RECURSIVE lanes(lane) AS (
  SELECT (SELECT MIN({lane}) FROM {table} WHERE {where} AND {lane} > :after)
  UNION ALL
  SELECT (SELECT MIN({lane}) FROM {table} WHERE {where} AND {lane} > lanes.lane)
  FROM lanes WHERE lanes.lane IS NOT NULL
)
SELECT visited.lane AS lane, (
  SELECT {key} FROM {table}
  WHERE {where} AND {lane} = visited.lane AND {due} <= :until AND {key} NOT IN :skip
  ORDER BY {due}, {key} LIMIT 1
) AS key
FROM (SELECT lane FROM lanes WHERE lane IS NOT NULL LIMIT :lanes) AS visited
"""


def _expanding(sql: str) -> Any:
    statement = text(sql)
    for name in ("skip", "full"):
        if f":{name}" in sql:
            # Without a type an empty list is one of numbers: PostgreSQL compares no text with it.
            statement = statement.bindparams(bindparam(name, type_=Text, expanding=True))
    return statement
