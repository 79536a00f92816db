"""Tables, each described once: by the struct that its readers get."""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import msgspec
import sqlalchemy as sa
from msgspec import Meta, Struct, inspect, structs
from sqlalchemy import Index, Table

METADATA = sa.MetaData()
Micros = sa.BigInteger  # A time: microseconds since 1970, UTC.
Short = Annotated[int, Meta(le=2**31 - 1)]  # A number for which 32 bits are enough.
R = TypeVar("R", bound=Struct)


def table_of(name: str, row: type[Struct], *indices: Index, keys: int = 1) -> Table:
    """Return the table of these rows, whose key are the first `keys` fields. A column may be NULL
    where its field may be None or has a default; what is no text, number or truth value is JSON.
    """
    columns = [
        sa.Column(each.name, _type_of(each), primary_key=place < keys, nullable=_may_be_null(each))
        for place, each in enumerate(structs.fields(row))
    ]
    return Table(name, METADATA, *columns, *indices)


def partial_index(name: str, where: Any, *columns: Any) -> Index:
    """Index these rows only, so that a query never reads past the others."""
    return Index(name, *columns, sqlite_where=where, postgresql_where=where)


def reader(row: type[R]) -> Callable[[Any], R]:
    """Return what makes the struct of a row that was found. NULL leaves a field its default."""
    readers = {each.name: _reader_of(each) for each in structs.fields(row)}
    special = [(name, read) for name, read in readers.items() if read is not None]
    optional = frozenset(each.name for each in structs.fields(row) if not each.required)

    def read(found: Any) -> R:
        fields = dict(found._mapping)  # noqa: SLF001 - SQLAlchemy's public way to a dict.
        for name, read_value in special:
            if fields[name] is not None:
                fields[name] = read_value(fields[name])
            elif name in optional:
                del fields[name]
        return row(**fields)

    return read


def by_dialect(sql: str) -> dict[str, str]:
    """Return a statement in each driver's own form; `{}` stands for a parameter."""
    numbered = (f"${number}" for number in range(1, sql.count("{}") + 1))
    return {"sqlite": sql.replace("{}", "?"), "postgresql": sql.format(*numbered)}


def _reader_of(field: structs.FieldInfo) -> Callable[[Any], Any] | None:
    kind = _kind_of(field)
    if isinstance(kind, inspect.EnumType):
        return kind.cls
    is_json = _type_of(field) is sa.LargeBinary
    return msgspec.json.Decoder(field.type).decode if is_json else None


def _may_be_null(field: structs.FieldInfo) -> bool:
    kind = inspect.type_info(field.type)
    return not field.required or (isinstance(kind, inspect.UnionType) and kind.includes_none)


def _kind_of(field: structs.FieldInfo) -> inspect.Type:
    kind = inspect.type_info(field.type)
    kinds = kind.types if isinstance(kind, inspect.UnionType) else (kind,)
    return next(each for each in kinds if not isinstance(each, inspect.NoneType))


def _type_of(field: structs.FieldInfo) -> Any:
    match _kind_of(field):
        case inspect.BoolType():
            return sa.Boolean
        case inspect.IntType(le=le):
            return sa.BigInteger if le is None else sa.Integer
        case inspect.StrType() | inspect.EnumType() | inspect.LiteralType():
            return sa.Text
        case _:
            return sa.LargeBinary
