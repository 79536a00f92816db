"""What the value of a setting may be, and the words that say so when it is not."""

import contextlib
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, inspect

DAY_SECONDS = 86_400
COUNT_MAX = 10**9
BYTES_MAX = 2**60

Port = Annotated[int, Meta(ge=0, le=65_535)]
Seconds = Annotated[float, Meta(gt=0, le=30 * DAY_SECONDS)]
Count = Annotated[int, Meta(ge=1, le=COUNT_MAX)]
Limit = Annotated[int, Meta(ge=0, le=COUNT_MAX)]
Bytes = Annotated[int, Meta(ge=0, le=BYTES_MAX)]
WaitSeconds = Annotated[float, Meta(ge=0, le=30)]


def _text(pattern: str, wanted: str) -> Meta:
    """Texts that the pattern matches whole; `wanted` is what any other one should be."""
    return Meta(pattern=rf"^{pattern}\Z", description=wanted)


_HOST = r"[^\s/,@?#]+"
_BROKER = r"(nats|tls)://[^\s,]+"
_BROKERS = "nats://host:port or tls://host:port, several separated by commas"
_ORIGIN = "an origin with its scheme and without a path, as https://darkroom.example"
_ORIGINS = r"( *https?://[^\s/?#@,]+ *(,|\Z))*"
_DATABASE = r"((sqlite:///|postgresql\+asyncpg://)[^\r\n]+)?"
_DATABASES = "postgresql+asyncpg://user@host/name or sqlite:///path"
Host = Annotated[str, _text(_HOST, "a host name or an address")]
HostAndPort = Annotated[str, _text(rf"({_HOST})?", "host or host:port, without a scheme")]
Hosts = Annotated[str, _text(rf"( *{_HOST} *(,|\Z))*", "host or host:port, separated by commas")]
Origin = Annotated[str, _text(r"(https?://[^\s/?#@]+/?)?", _ORIGIN)]
Origins = Annotated[str, _text(_ORIGINS, "origins as https://app.example, separated by commas")]
WebUrl = Annotated[str, _text(r"(https?://[^\s/?#]+\S*)?", "a URL with http:// or https://")]
BrokerUrl = Annotated[str, _text(rf"({_BROKER}(,\s*{_BROKER})*)?", _BROKERS)]
DatabaseUrl = Annotated[str, _text(_DATABASE, _DATABASES)]
StorageUrl = Annotated[str, _text(r"(s3://[^\s/]+\S*)?", "s3://bucket or s3://bucket/prefix")]
MasterKey = Annotated[str, _text(r"([0-9a-fA-F]{64})?", "64 hexadecimal digits")]
Folder = Annotated[str, _text(r"[^\x00-\x1f\x7f]+", "a path without control characters")]

Webhooks = Literal["auto", "signed", "off", "unsigned"]
Provider = Literal["", "fal", "simulator"]
LogLevel = Literal["debug", "info", "warning", "error", "critical"]
LogFormat = Literal["auto", "console", "json"]
Artifacts = Literal["copy", "link"]


class BadValue(ValueError):
    """The text is no value of that type. The message says what would be."""


def value_of(text: str, kind: Any) -> Any:
    """Read a setting's text as a value of its type; raise BadValue. Words are of any case."""
    described = _described(kind)
    if isinstance(described, inspect.LiteralType):
        text = text.lower()
    with contextlib.suppress(msgspec.ValidationError):
        value = msgspec.convert(text, kind, strict=False)
        if value == value:  # noqa: PLR0124 - not so for `nan`, which no bound keeps out.
            return value
    raise BadValue(f"must be {_wanted(described)}")


def _described(kind: Any) -> Any:
    """Return the type behind `X | None`, and behind what documents it."""
    found: Any = inspect.type_info(kind)
    if isinstance(found, inspect.UnionType):
        found = next(each for each in found.types if not isinstance(each, inspect.NoneType))
    return found


def _wanted(described: Any) -> str:
    if isinstance(described, inspect.Metadata):
        return str((described.extra_json_schema or {}).get("description", "another value"))
    if isinstance(described, inspect.LiteralType):
        return ", ".join(str(each) for each in described.values if each)
    if isinstance(described, inspect.IntType):
        return f"a whole number from {described.ge:,} to {described.le:,}"
    if isinstance(described, inspect.FloatType):
        least = f"above {described.gt:g}" if described.gt is not None else f"from {described.ge:g}"
        return f"a number {least} to {described.le:,.0f}"
    return "another value"
