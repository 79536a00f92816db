"""Strange text: a description of an API, walked so that every text in it is tried with characters
that a database, a header or a terminal would choke on.
"""

import copy
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct

# As they stand in JSON or in an address: NUL, C0, DEL, C1, half of a character, a line break.
IN_JSON = [
    *(rb"\u0000", rb"\u001b", rb"\u000c", b"\x7f", b"\xc2\x85", rb"\ud800", rb"\udc00\ud800"),
    *(b"\xed\xa0\x80", b"\xff", b"\x00", rb"\n", rb"\u2028", rb"\u202e"),
]
IN_ADDRESSES = ["%00", "%1b", "%7f", "%c2%85", "%ed%a0%80", "%ff", "%0a", "%e2%80%a8"]
IN_HEADERS = [b"\x00", b"\x1b", b"\x7f", b"\x85", b"\xc2\x85", b"\xff"]
HEADERS = (
    *("Idempotency-Key", "Prefer", "If-None-Match", "Last-Event-ID", "X-Request-Id"),
    *("traceparent", "Range", "Content-Type", "User-Agent"),
)
MARK = "MARK"
OPEN_QUERIES = ("min_as_of", "after", "ticket", "undescribed")


class Try(Struct, frozen=True):
    """One request to send, and where in it the strange character stands."""

    method: str
    target: str
    where: str
    body: bytes = b""
    headers: dict[str, bytes] = {}


def tries(document: dict[str, Any]) -> Iterator[Try]:
    """Yield every request with one strange character in one of its texts."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield from _tries_of(document, method.upper(), path, operation)


def _tries_of(
    document: dict[str, Any], method: str, path: str, operation: dict[str, Any]
) -> Iterator[Try]:
    known = operation.get("parameters", [])
    in_path = [each["name"] for each in known if each["in"] == "path"]
    queries = {each["name"] for each in known if each["in"] == "query"} | {*OPEN_QUERIES}
    target = _filled(path, in_path)
    content = operation.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema")
    plain = example(document, schema) if schema is not None else None
    body = msgspec.json.encode(plain) if schema is not None else b""
    for odd, where in _addresses(path, in_path, queries):
        yield Try(method, odd, where, body)
    for name in HEADERS:
        for character in IN_HEADERS:
            headers = {name: b"a" + character}
            yield Try(method, target, f"header {name} {character!r}", body, headers)
    for where, marked in marked_texts(plain):
        for raw in IN_JSON:
            odd_body = msgspec.json.encode(marked).replace(MARK.encode(), raw)
            yield Try(method, target, f"body {where} {raw!r}", odd_body)


def _addresses(path: str, in_path: list[str], queries: set[str]) -> Iterator[tuple[str, str]]:
    for strange in IN_ADDRESSES:
        for name in in_path:
            odd = path.replace(f"{{{name}}}", f"a{strange}")
            yield _filled(odd, in_path), f"path {name} {strange}"
        for name in sorted(queries):
            target = f"{_filled(path, in_path)}?{quote(name)}=a{strange}"
            yield target, f"query {name} {strange}"


def _filled(path: str, names: list[str]) -> str:
    for name in names:
        path = path.replace(f"{{{name}}}", "a")
    return path


def example(document: dict[str, Any], schema: dict[str, Any]) -> Any:
    """Return a value with everything in it that the schema knows."""
    if "$ref" in schema:
        return example(document, document["components"]["schemas"][schema["$ref"].split("/")[-1]])
    for choice in ("oneOf", "anyOf"):
        if choice in schema:
            found = [each for each in schema[choice] if each.get("type") != "null"]
            return example(document, found[0])
    match schema.get("type"):
        case "object":
            named = schema.get("properties", {})
            return {name: example(document, each) for name, each in named.items()} or {"a": "a"}
        case "array":
            return [example(document, schema["items"])]
        case "integer":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case _:
            return schema.get("enum", ["https://a.example/"])[0]


def marked_texts(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the value once for each of its texts and of its fields' names, with a mark behind."""
    match value:
        case str():
            yield "", value + MARK
        case dict():
            for name, each in value.items():
                rest = {other: copy.copy(value[other]) for other in value if other != name}
                yield f"{name} (name)", rest | {name + MARK: each}
                for where, other_value in marked_texts(each):
                    yield f"{name} {where}", rest | {name: other_value}
        case list():
            for index, each in enumerate(value):
                for where, other_value in marked_texts(each):
                    yield where, [*value[:index], other_value, *value[index + 1 :]]
