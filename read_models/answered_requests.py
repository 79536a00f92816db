"""Which Idempotency-Keys were answered, and where the answers stand."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import BigInteger, Column, Connection, LargeBinary, Table, Text, bindparam, select

from contracts.commit import Recorded
from contracts.ids import AccountId
from domain.account import Answered
from read_models.unit_of_work import METADATA, UnitOfWork

table = Table(
    "answered_requests",
    METADATA,
    Column("account_id", Text, primary_key=True),
    Column("idempotency_key", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("events", LargeBinary, nullable=False),
)

_indices = msgspec.json.Decoder(tuple[int, ...])
_BY_KEYS = select(table).where(
    table.c.account_id == bindparam("account_id"),
    table.c.idempotency_key.in_(bindparam("keys", expanding=True)),
)


def project(recorded: Recorded, unit: UnitOfWork) -> None:
    for request in recorded.commit.requests:
        if request.idempotency_key is None:
            continue
        unit.insert(
            table,
            {
                "account_id": recorded.subject.rpartition(".")[2],
                "idempotency_key": request.idempotency_key,
                "fingerprint": request.fingerprint or "",
                "sequence": recorded.sequence,
                "events": msgspec.json.encode(request.events),
            },
        )


def find(connection: Connection, account: AccountId, keys: Sequence[str]) -> dict[str, Answered]:
    found = connection.execute(_BY_KEYS, {"account_id": account, "keys": list(keys)})
    return {
        row.idempotency_key: Answered(row.fingerprint, row.sequence, _indices.decode(row.events))
        for row in found
    }
