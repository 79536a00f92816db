"""What the projector announces of each batch on plain NATS. An announcement may be lost."""

import msgspec
from msgspec import Struct

from contracts.ids import AccountId


class ChangedRow(Struct, frozen=True, array_like=True):
    """One row that a batch changed: `table` is the read model's name, `id` the row's key."""

    table: str
    account_id: AccountId
    id: str


class Announcement(Struct, frozen=True):
    """The read models went from `previous` to `position`, both sequences of `epoch`."""

    epoch: str
    previous: int
    position: int
    rows: tuple[ChangedRow, ...] = ()


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Announcement)


def encode(announcement: Announcement) -> bytes:
    return _encoder.encode(announcement)


def decode(body: bytes) -> Announcement:
    return _decoder.decode(body)
