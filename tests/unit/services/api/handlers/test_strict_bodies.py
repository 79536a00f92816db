"""Bodies are read as they were sent: no text is a number, but 3.0 is a whole one."""

import msgspec
import pytest
from msgspec import Struct

from domain.refusals import Refused
from services.api.handlers.strict_bodies import decode_strictly


class Order(Struct, forbid_unknown_fields=True):
    count: int
    names: list[str] = []
    notes: dict[str, object] = {}


@pytest.mark.parametrize("body", [b'{"count": 3}', b'{"count": 3.0}', b'{"count": 3e0}'])
def test_json_knows_one_kind_of_number(body: bytes) -> None:
    assert decode_strictly(body, Order) == Order(3)


@pytest.mark.parametrize("value", ['"3"', "3.5", "true", "null", "[3]"])
def test_nothing_is_converted(value: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=r"^count: must be a whole number"):
        decode_strictly(b'{"count": %s}' % value.encode(), Order)


def test_what_is_no_json_is_told_from_a_wrong_value() -> None:
    for body in (
        b'{"count": "3", ',
        b"[" * 100_000,
        b'{"names": ["\\ud800"]}',
        b'{"names": ["\xff"]}',
    ):
        with pytest.raises(Refused, match="not valid JSON"):
            decode_strictly(body, Order)


@pytest.mark.parametrize("body", [b'{"count": 1e999}', b'{"count": 1, "notes": {"a": -1e999}}'])
def test_a_number_beyond_all_floats_is_no_json(body: bytes) -> None:
    with pytest.raises(Refused, match="not valid JSON"):
        decode_strictly(body, Order)
