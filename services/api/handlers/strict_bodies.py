"""Reads JSON bodies strictly: a value is taken as it was sent, or refused."""

import math
from functools import cache
from typing import Any

import msgspec
from litestar import Request

from domain.refusals import Refused
from domain.wrong_fields import read_as

NO_JSON = "the body is not valid JSON in UTF-8"


class StrictRequest(Request[Any, Any, Any]):
    """Decodes a body once, into the type of the handler's `data`. Litestar itself would decode it
    leniently, and take the text `"2"` for a number.
    """

    async def json(self) -> Any:
        field = self.route_handler.parsed_data_field
        return decode_strictly(await self.body(), field.annotation if field is not None else Any)


def decode_strictly(body: bytes, kind: Any) -> Any:
    """Decode without conversions; raise Refused for what is no JSON, and a msgspec.ValidationError,
    of which WrongFields is one, for what is not of this kind.
    """
    try:
        return _decode(body, kind)
    except msgspec.ValidationError:
        return read_as(kind, _with_whole_numbers(_decode(body, Any)))


def _decode(body: bytes, kind: Any) -> Any:
    try:
        return _decoder(kind).decode(body)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused("unparsable", NO_JSON) from error


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    """Return a decoder that lets Python read floats. msgspec takes 10 us for `1e308`, 200 ms for a
    body full of them, in which this process would answer nobody; Python takes 10.
    """
    return msgspec.json.Decoder(kind, float_hook=_finite)


def _finite(text: str) -> float:
    if math.isinf(value := float(text)):
        raise msgspec.DecodeError(f"{text} is out of range")
    return value


def _with_whole_numbers(value: Any) -> Any:
    """Make integers of whole numbers: JSON knows one kind of number, so 3.0 is a count too."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {name: _with_whole_numbers(each) for name, each in value.items()}
        case list():
            return [_with_whole_numbers(each) for each in value]
        case _:
            return value
