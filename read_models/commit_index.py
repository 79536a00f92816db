"""Which commits speak of an account, which hold a type of event, and when: without the log.

Exact, and cheap to keep: a row speaks of a block of 60 commits, a bit for each.
"""

from collections.abc import Iterator, Sequence
from itertools import islice

from sqlalchemy import BigInteger, Column, Connection, Index, Table, Text, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql import case

from contracts.commit import Recorded
from contracts.ids import AccountId
from read_models.unit_of_work import METADATA, Micros, micros_of

BLOCK_COMMITS = 60  # Below the bits of a signed number, which is what both databases have.

table = Table(
    "commit_index",
    METADATA,
    Column("term", Text, primary_key=True),
    Column("block", BigInteger, primary_key=True),
    Column("bits", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
times = Table(
    "commit_times",
    METADATA,
    Column("block", BigInteger, primary_key=True),
    Column("at_max", Micros, nullable=False),
    Index("commit_times_at", "at_max"),
)
_FIRST_LATER = select(times.c.block).where(times.c.at_max > bindparam("at")).order_by(times.c.block)


def of_account(account: AccountId) -> str:
    return f"account:{account}"


def of_type(name: str) -> str:
    return f"type:{name}"


def project(connection: Connection, batch: Sequence[Recorded]) -> None:
    """Add a batch: a row for each term and block, however many commits it has in the batch."""
    bits: dict[tuple[str, int], int] = {}
    latest: dict[int, int] = {}
    for recorded in batch:
        block, place = divmod(recorded.sequence, BLOCK_COMMITS)
        for term in _terms(recorded):
            bits[term, block] = bits.get((term, block), 0) | 1 << place
        latest[block] = max(latest.get(block, 0), micros_of(recorded.commit.at))
    names = connection.dialect.name
    rows = [{"term": term, "block": block, "bits": value} for (term, block), value in bits.items()]
    connection.execute(_ADD_BITS[names], rows)
    connection.execute(
        _ADD_TIMES[names], [{"block": block, "at_max": at} for block, at in latest.items()]
    )


def sequences(connection: Connection, terms: Sequence[str], after: int, limit: int) -> list[int]:
    """Return the commits after a sequence that all terms (at least one) apply to, oldest first."""
    return list(islice(_found(connection, terms, after), limit))


def last_not_later(connection: Connection, at_micros: int) -> tuple[int, int]:
    """Return between which two sequences (the first included) the last commit lies up to which
    the writers' clocks never said a time later than this one.
    """
    found = connection.execute(_FIRST_LATER.limit(1), {"at": at_micros}).scalar()
    if found is None:
        newest = connection.execute(select(times.c.block).order_by(times.c.block.desc()).limit(1))
        end = (int(newest.scalar() or 0) + 1) * BLOCK_COMMITS - 1
        return end, end
    return max(int(found) * BLOCK_COMMITS - 1, 0), (int(found) + 1) * BLOCK_COMMITS - 1


def _terms(recorded: Recorded) -> set[str]:
    terms = set()
    for event in recorded.commit.events:
        terms.add(f"type:{type(event).__name__}")
        if account := getattr(event, "account_id", None):
            terms.add(f"account:{account}")
    return terms


def _found(connection: Connection, terms: Sequence[str], after: int) -> Iterator[int]:
    first, *others = [table.alias() for _ in terms]
    query = select(first.c.block, *(each.c.bits for each in (first, *others)))
    for each, term in zip((first, *others), terms, strict=True):
        query = query.where(each.c.term == term, each.c.block == first.c.block)
    query = query.where(first.c.block >= (after + 1) // BLOCK_COMMITS).order_by(first.c.block)
    for block, *all_bits in connection.execute(query):
        common = all_bits[0]
        for each_bits in all_bits[1:]:
            common &= each_bits
        for place in range(BLOCK_COMMITS):
            sequence = block * BLOCK_COMMITS + place
            if common >> place & 1 and sequence > after:
                yield sequence


def _add_bits(insert: sqlite.Insert | postgresql.Insert) -> sqlite.Insert | postgresql.Insert:
    both = table.c.bits.op("|")(insert.excluded.bits)
    return insert.on_conflict_do_update(index_elements=["term", "block"], set_={"bits": both})


def _add_times(insert: sqlite.Insert | postgresql.Insert) -> sqlite.Insert | postgresql.Insert:
    fresh = insert.excluded.at_max
    later = case((fresh > times.c.at_max, fresh), else_=times.c.at_max)
    return insert.on_conflict_do_update(index_elements=["block"], set_={"at_max": later})


_ADD_BITS = {
    "sqlite": _add_bits(sqlite.insert(table)),
    "postgresql": _add_bits(postgresql.insert(table)),
}
_ADD_TIMES = {
    "sqlite": _add_times(sqlite.insert(times)),
    "postgresql": _add_times(postgresql.insert(times)),
}
