"""How far the read models are: one row, in the same transaction as what it speaks of."""

from sqlalchemy import BigInteger, Column, Connection, Table, Text, insert, select, update

from read_models.unit_of_work import METADATA

NAME = "read_models"

table = Table(
    "positions",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("epoch", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
)

_READ = select(table.c.epoch, table.c.sequence).where(table.c.name == NAME)


class Fenced(Exception):
    """Another projector has moved the position: this one has to stop and look again."""


class OtherLog(Exception):
    """The read models are of another log: they have to be deleted and projected anew."""


def create(connection: Connection, epoch: str) -> int:
    """Make the tables that are missing; return the position. Raise OtherLog."""
    METADATA.create_all(connection)
    found = connection.execute(_READ).one_or_none()
    if found is None:
        connection.execute(insert(table).values(name=NAME, epoch=epoch, sequence=0))
        return 0
    if found.epoch != epoch:
        msg = f"the read models are of epoch {found.epoch}, the log is of epoch {epoch}"
        raise OtherLog(msg)
    return int(found.sequence)


def read(connection: Connection) -> int:
    found = connection.execute(_READ).one_or_none()
    return int(found.sequence) if found is not None else 0


def advance(connection: Connection, previous: int, position: int) -> None:
    """Move the position, if it is where we left it; raise Fenced otherwise."""
    moved = connection.execute(
        update(table)
        .where(table.c.name == NAME, table.c.sequence == previous)
        .values(sequence=position)
    )
    if moved.rowcount != 1:
        raise Fenced
