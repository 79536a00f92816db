"""How far the read models are: one row, written in the same transaction as the other rows."""

import hashlib
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.schema import CreateIndex, CreateTable

from contracts.commit import Mark
from read_models.tables import METADATA

NAME = "read_models"
REVISION = 1  # Raised when a projection changes what it writes into tables of the same shape.

table = sa.Table(
    "positions",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("epoch", sa.Text, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("commit_id", sa.Text, nullable=False),  # Of the commit at `sequence`; empty at 0.
    sa.Column("shape", sa.Text, nullable=False),
)


_READ = sa.select(table).where(table.c.name == NAME)


class Fenced(Exception):
    """Another projector has moved the position: this one has to stop and look again."""


def create(connection: sa.Connection, epoch: str) -> Mark:
    """Return where the read models are, with tables of the shape that this version writes.

    Tables of another shape are made anew, which is safe: everything in them comes from the log.
    Empty ones belong to whatever log there is.
    """
    found = _found(connection)
    if found is not None and found.shape == shape() and (found.sequence or found.epoch == epoch):
        return Mark(found.epoch, found.sequence, found.commit_id)
    METADATA.drop_all(connection)
    METADATA.create_all(connection)
    row = {"name": NAME, "epoch": epoch, "sequence": 0, "commit_id": "", "shape": shape()}
    connection.execute(sa.insert(table).values(row))
    return Mark(epoch, 0)


def find(connection: sa.Connection) -> Mark | None:
    """Return where the read models are; None when there are none of this version's shape."""
    found = connection.execute(_READ).one_or_none()
    if found is None or found.shape != shape():
        return None
    return Mark(found.epoch, found.sequence, found.commit_id)


def read(connection: sa.Connection) -> int:
    found = connection.execute(_READ).one_or_none()
    return int(found.sequence) if found is not None else 0


def advance(connection: sa.Connection, previous: int, position: int, commit_id: str = "") -> None:
    """Move the position, if it is where we left it; raise Fenced otherwise."""
    moved = connection.execute(
        sa.update(table)
        .where(table.c.name == NAME, table.c.sequence == previous)
        .values(sequence=position, commit_id=commit_id)
    )
    if moved.rowcount != 1:
        raise Fenced


def forget(connection: sa.Connection) -> None:
    """Let the read models be made anew: the projector finds no position, and begins at the log's
    beginning.
    """
    connection.execute(sa.delete(table))


@cache
def shape() -> str:
    """Name the tables as this version writes them: their columns, types and indices."""
    parts = [f"revision {REVISION}"]
    for each in METADATA.sorted_tables:
        parts.append(str(CreateTable(each)))
        parts += sorted(str(CreateIndex(index)) for index in each.indexes)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _found(connection: sa.Connection) -> sa.Row[Any] | None:
    """Return the row, also of tables that an older version made without a shape."""
    columns = sa.inspect(connection)
    if not columns.has_table(table.name):
        return None
    if "shape" not in {column["name"] for column in columns.get_columns(table.name)}:
        return None
    return connection.execute(_READ).one_or_none()
