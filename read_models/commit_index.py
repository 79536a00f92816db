"""The index of commits: which ones are about an account, have a type of event, or are of a time.

A row is for one term (an account or a type) and one block of 60 commits, with a bit for each commit
that the term applies to. Rows are ordered by block, so that a batch only appends; ordered by term,
it would write a page for each account in it. To find a term's rows, a second table lists the spans
of 1,024 blocks in which the term occurs.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import groupby, islice

from sqlalchemy import BigInteger, Column, Connection, Index, Table, Text, bindparam, select

from contracts.commit import Recorded
from contracts.events import Event
from contracts.ids import AccountId
from domain.times import micros_of
from read_models.tables import METADATA, Micros, by_dialect

BLOCK_COMMITS = 60  # One bit each, in a signed 64-bit number.
SPAN_BLOCKS = 1024

table = Table(
    "commit_index",
    METADATA,
    Column("block", BigInteger, primary_key=True),
    Column("term", Text, primary_key=True),
    Column("bits", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
spans = Table(
    "commit_spans",
    METADATA,
    Column("term", Text, primary_key=True),
    Column("span", BigInteger, primary_key=True),
    sqlite_with_rowid=False,
)
times = Table(
    "commit_times",
    METADATA,
    Column("block", BigInteger, primary_key=True),
    Column("at_max", Micros, nullable=False),
    Index("commit_times_at", "at_max"),
)
_SPANS = (
    select(spans.c.span)
    .where(spans.c.term == bindparam("term"), spans.c.span >= bindparam("first"))
    .order_by(spans.c.span)
)
_BITS = select(table.c.block, table.c.bits).where(
    table.c.term == bindparam("term"), table.c.block.between(bindparam("first"), bindparam("last"))
)
_FIRST_LATER = select(times.c.block).where(times.c.at_max > bindparam("at")).order_by(times.c.block)


def of_account(account: AccountId) -> str:
    return f"account:{account}"


def of_type(name: str) -> str:
    return f"type:{name}"


def project(connection: Connection, batch: Sequence[Recorded]) -> None:
    """Add a batch: a row for each term and block, however many commits it has in the batch."""
    rows: list[tuple[str, int, int]] = []
    latest: list[tuple[int, int]] = []
    for block, commits in groupby(batch, _block_of):
        bits: dict[str, int] = {}
        at_max = 0
        for recorded in commits:
            bit = 1 << recorded.sequence % BLOCK_COMMITS
            for term in _terms(recorded):
                bits[term] = bits.get(term, 0) | bit
            at_max = max(at_max, micros_of(recorded.commit.at))
        rows += [(term, block, found) for term, found in bits.items()]
        latest.append((block, at_max))
    dialect = connection.dialect.name
    found_in = {(term, block // SPAN_BLOCKS) for term, block, _ in rows}
    connection.exec_driver_sql(_ADD_SPANS[dialect], list(found_in))
    connection.exec_driver_sql(_ADD_BITS[dialect], rows)
    connection.exec_driver_sql(_ADD_TIMES[dialect], latest)


def _block_of(recorded: Recorded) -> int:
    return recorded.sequence // BLOCK_COMMITS


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
        terms.add(_type_term(type(event)))
        if account := getattr(event, "account_id", None):
            terms.add("account:" + account)
    return terms


@cache
def _type_term(kind: type[Event]) -> str:
    return of_type(kind.__name__)


def _found(connection: Connection, terms: Sequence[str], after: int) -> Iterator[int]:
    first = (after + 1) // BLOCK_COMMITS
    where = {"term": terms[0], "first": first // SPAN_BLOCKS}
    for span in connection.execute(_SPANS, where).scalars().all():
        start = span * SPAN_BLOCKS
        within = {"first": max(first, start), "last": start + SPAN_BLOCKS - 1}
        bits = _bits(connection, terms[0], within)
        for term in terms[1:]:
            others = _bits(connection, term, within)
            bits = {block: bits[block] & others[block] for block in bits.keys() & others.keys()}
        for block in sorted(bits):
            for place in range(BLOCK_COMMITS):
                sequence = block * BLOCK_COMMITS + place
                if bits[block] >> place & 1 and sequence > after:
                    yield sequence


def _bits(connection: Connection, term: str, within: dict[str, int]) -> dict[int, int]:
    rows = connection.execute(_BITS, {"term": term, **within})
    return {int(row.block): int(row.bits) for row in rows}


# In the drivers' own form, as the rows' other writes: SQLAlchemy's share would be the greater.
_ADD_BITS = by_dialect(
    "INSERT INTO commit_index (term, block, bits) VALUES ({}, {}, {}) "
    "ON CONFLICT (block, term) DO UPDATE SET bits = commit_index.bits | excluded.bits"
)
_ADD_SPANS = by_dialect(
    "INSERT INTO commit_spans (term, span) VALUES ({}, {}) ON CONFLICT DO NOTHING"
)
_ADD_TIMES = by_dialect(
    "INSERT INTO commit_times (block, at_max) VALUES ({}, {}) ON CONFLICT (block) DO UPDATE SET "
    "at_max = excluded.at_max WHERE excluded.at_max > commit_times.at_max"
)
