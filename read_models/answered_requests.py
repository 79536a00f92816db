"""Which Idempotency-Keys were answered in the last two days, and where the answers stand."""

from collections.abc import Sequence
from datetime import timedelta

import msgspec
import sqlalchemy as sa

from contracts.commit import Recorded
from contracts.ids import AccountId
from domain.account import EarlierAnswer
from domain.times import micros_of
from read_models.tables import METADATA, Micros
from read_models.unit_of_work import UnitOfWork

KEPT = timedelta(hours=48)  # 24 hours are promised; the rest is for clocks that differ.
PRUNED_A_BATCH = 500  # More than a batch has commits, so pruning keeps up.
# PostgreSQL's index takes 2.7 KB. Operators' commands once took any key; a longer one is not kept.
KEY_LENGTH_MAX = 600

table = sa.Table(
    "answered_requests",
    METADATA,
    sa.Column("key", sa.Text, primary_key=True),  # The account and the Idempotency-Key.
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("events", sa.LargeBinary, nullable=False),
    sa.Column("at", Micros, nullable=False, index=True),
)


_indices = msgspec.json.Decoder(tuple[int, ...])
_BY_KEYS = sa.select(table).where(table.c.key.in_(sa.bindparam("keys", expanding=True)))
_OLD = sa.select(table.c.key).where(table.c.at < sa.bindparam("until")).limit(PRUNED_A_BATCH)
_PRUNE = sa.delete(table).where(table.c.key.in_(_OLD))


def project(recorded: Recorded, unit: UnitOfWork) -> None:
    """Store the answer under its key. A second one under the same key replaces the first, which
    had expired by then.
    """
    for request in recorded.commit.requests:
        if request.idempotency_key is None or len(request.idempotency_key) > KEY_LENGTH_MAX:
            continue
        account = AccountId(recorded.subject.rpartition(".")[2])
        key = _key(account, request.idempotency_key)
        row = {
            "key": key,
            "fingerprint": request.fingerprint or "",
            "sequence": recorded.sequence,
            "events": msgspec.json.encode(request.events),
            "at": micros_of(recorded.commit.at),
        }
        unit.put(table, key, row)


def prune(connection: sa.Connection, batch: Sequence[Recorded]) -> None:
    """Forget what is too old, by the commits' own times; a batch that adds none prunes none."""
    times = [
        recorded.commit.at
        for recorded in batch
        if any(request.idempotency_key is not None for request in recorded.commit.requests)
    ]
    if times:
        connection.execute(_PRUNE, {"until": micros_of(max(times) - KEPT)})


def find(
    connection: sa.Connection, account: AccountId, keys: Sequence[str]
) -> dict[str, EarlierAnswer]:
    wanted = {_key(account, key): key for key in keys}
    found = connection.execute(_BY_KEYS, {"keys": list(wanted)})
    return {
        wanted[row.key]: EarlierAnswer(row.fingerprint, row.sequence, _indices.decode(row.events))
        for row in found
    }


def _key(account: AccountId, idempotency_key: str) -> str:
    return f"{account}/{idempotency_key}"
