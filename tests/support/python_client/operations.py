"""Writes operations.py: a class for each group of operations, with a method for each of them."""

from collections.abc import Iterator

from msgspec import Struct

from tests.support.python_client.models import Models, Schema, docstring, reference_of
from tests.support.python_client.naming import camel, method_name, snake

HEAD = '''"""A method for each operation. Written by `make docs` from the OpenAPI document."""

import builtins
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Literal

from darkroom_client.calls import Call, Calls, Operation
from darkroom_client.pages import items_of
'''
KEY, PREFER = "Idempotency-Key", "Prefer"
JSON = "application/json"
SOCKET = "101"  # Switching protocols.
# Headers that belong to what is written by hand.
BY_HAND = {"If-None-Match", "Last-Event-ID", "Range", "If-Range"}


class Parameter(Struct, frozen=True):
    name: str  # As it is sent.
    argument: str
    type: str
    is_required: bool


class Described(Struct, frozen=True, kw_only=True):
    """An operation as its method needs it."""

    constant: str
    method: str
    path: str
    verb: str
    text: str
    path_arguments: list[str]
    query: list[Parameter]
    fields: list[Parameter]
    is_body_whole: bool
    is_keyed: bool
    has_prefer: bool
    answer: str | None
    has_bytes: bool
    item: str | None


def described(document: Schema) -> Iterator[tuple[str, str, Schema]]:
    """Yield each operation with its path and method, but no WebSocket: httpx speaks none, and the
    stream says the same.
    """
    for path, methods in document["paths"].items():
        for verb, operation in methods.items():
            if SOCKET not in operation["responses"]:
                yield path, verb, operation


class Operations:
    """The text of operations.py."""

    def __init__(self, document: Schema, models: Models) -> None:
        self._document, self._models = document, models

    def text(self) -> str:
        groups: dict[str, list[Described]] = {}
        for path, verb, operation in described(self._document):
            group = snake(operation["tags"][0])
            groups.setdefault(group, []).append(self._described(group, path, verb, operation))
        every = [each for group in groups.values() for each in group]
        constants = "".join(_constant(each) for each in every)
        classes = "\n\n".join("".join(_group(name, each)) for name, each in groups.items())
        return "\n\n".join([HEAD, constants, classes, "".join(_all_groups(groups))])

    def _described(self, group: str, path: str, verb: str, operation: Schema) -> Described:
        parameters = operation.get("parameters", [])
        headers = {each["name"] for each in parameters if each["in"] == "header"}
        assert headers <= BY_HAND | {KEY, PREFER}, headers
        within = [each["name"] for each in parameters if each["in"] == "path"]
        query = [each for each in parameters if each["in"] == "query"]
        answer, has_bytes, item = self._answer(operation)
        name = operation["operationId"]
        fields, is_whole = self._body(operation)
        for each in within:
            path = path.replace(f"{{{each}}}", "{}")
        return Described(
            constant=name.upper(),
            method=method_name(name, group),
            path=path,
            verb=verb.upper(),
            text=operation.get("description") or operation["summary"],
            path_arguments=[snake(each) for each in within],
            query=[self._parameter(each["name"], each["schema"], each) for each in query],
            fields=fields,
            is_body_whole=is_whole,
            is_keyed=KEY in headers,
            has_prefer=PREFER in headers,
            answer=answer,
            has_bytes=has_bytes,
            item=item if any(each["name"] == "cursor" for each in query) else None,
        )

    def _parameter(self, name: str, schema: Schema, owner: Schema) -> Parameter:
        kind = self._models.type_of(schema)
        if kind.startswith("Literal"):
            kind = "str"  # A server that is newer may take more words.
        required = bool(owner.get("required"))
        return Parameter(name, snake(name), kind.replace("list[", "Sequence["), required)

    def _body(self, operation: Schema) -> tuple[list[Parameter], bool]:
        """Return the fields of the body as arguments; of one that is no object, the body itself."""
        if "requestBody" not in operation:
            return [], False
        schema = next(iter(operation["requestBody"]["content"].values()))["schema"]
        fields = self._fields(self._resolved(schema))
        if fields:
            return fields, False
        return [Parameter("body", "body", self._models.type_of(schema), is_required=True)], True

    def _fields(self, schema: Schema) -> list[Parameter]:
        """Return an object's fields. Where several objects are possible, a field takes the types
        of all, and any JSON object: a server may know kinds of job that are not ours.
        """
        if "properties" in schema:
            needed = schema.get("required", ())
            return [
                self._parameter(name, each, {"required": name in needed})
                for name, each in schema["properties"].items()
            ]
        choices = [self._fields(self._resolved(each)) for each in schema.get("oneOf", ())]
        if not choices or len({tuple(field.name for field in each) for each in choices}) > 1:
            return []
        merged = []
        for same in zip(*choices, strict=True):
            kinds = list(dict.fromkeys(each.type for each in same))
            more = ["Mapping[str, Any]"] if kinds != ["str"] else []
            first = same[0]
            merged.append(
                Parameter(first.name, first.argument, " | ".join(kinds + more), first.is_required)
            )
        return merged

    def _resolved(self, schema: Schema) -> Schema:
        name = reference_of(schema)
        return self._models.schemas[name] if name else schema

    def _answer(self, operation: Schema) -> tuple[str | None, bool, str | None]:
        """Return the type of the answer, whether there are answers that are no JSON, and of a list
        the type of its items. A text that a document has too is not read again as bytes.
        """
        good = [each for status, each in operation["responses"].items() if status < "300"]
        contents = {media: each for one in good for media, each in one.get("content", {}).items()}
        others = contents.keys() - {JSON}
        is_text = JSON in contents and all(each.startswith("text/") for each in others)
        has_bytes = bool(others) and not is_text
        schema = contents.get(JSON, {}).get("schema", {})
        if JSON not in contents or schema.get("format") == "binary":  # That is a file of any type.
            return None, has_bytes, None
        kind = self._models.type_of(schema, camel(f"{operation['operationId']} answer"))
        return kind, has_bytes, self._item(self._resolved(schema))

    def _item(self, schema: Schema) -> str | None:
        listed = schema.get("properties", {}).get("items", schema)
        return self._models.type_of(listed["items"]) if "items" in listed else None


def _constant(each: Described) -> str:
    kind = "None" if each.answer is None else each.answer
    keyed = ", is_keyed=True" if each.is_keyed else ""
    return (
        f"{each.constant}: Operation[{kind}] = "
        f'Operation("{each.verb}", "{each.path}", {each.answer}{keyed})\n'
    )


def _group(name: str, operations: list[Described]) -> Iterator[str]:
    yield f'class {camel(name)}Operations:\n    """Operations: {name.replace("_", " ")}."""\n\n'
    yield "    def __init__(self, calls: Calls) -> None:\n        self._calls = calls\n"
    for each in operations:
        if each.answer is not None or not each.has_bytes:
            yield "".join(_method(each))
        if each.has_bytes:
            yield "".join(_bytes_method(each))
        if each.item is not None:
            yield "".join(_all_method(each))


def _method(each: Described) -> Iterator[str]:
    kind = (each.answer or "None").replace("list[", "builtins.list[")
    yield f"\n    async def {each.method}({_arguments(each)}) -> {kind}:\n"
    yield docstring(each.text, " " * 8).rstrip("\n") + "\n"
    value = f"await self._calls.value({_call(each)})"
    yield f"        {'return ' if each.answer is not None else ''}{value}\n"


def _bytes_method(each: Described) -> Iterator[str]:
    name = each.method if each.answer is None else f"{each.method}_bytes"
    yield f"\n    def {name}({_arguments(each)}) -> AsyncGenerator[bytes, None]:\n"
    yield docstring(f"{each.text} Yields the bytes as they come.", " " * 8).rstrip("\n") + "\n"
    yield f"        return self._calls.chunks({_call(each)})\n"


def _all_method(each: Described) -> Iterator[str]:
    _, _, noun = each.method.partition("_")
    name = f"all_{noun}" if noun else "all"
    arguments = _arguments(each, without="cursor")
    yield f"\n    def {name}({arguments}) -> AsyncGenerator[{each.item}, None]:\n"
    yield docstring(f"{each.text} Reads page after page.", " " * 8).rstrip("\n") + "\n"
    yield f"        return items_of(self._calls, {_call(each, without='cursor')})\n"


def _arguments(each: Described, without: str = "") -> str:
    needed = [*(f"{name}: str" for name in each.path_arguments)]
    given = [one for one in (*each.fields, *each.query) if one.argument != without]
    named = [f"{one.argument}: {one.type}" for one in given if one.is_required]
    named += [
        f"{one.argument}: {_or_none(one.type)} = None" for one in given if not one.is_required
    ]
    named += ["prefer: str | None = None"] * each.has_prefer
    named += ["idempotency_key: str | None = None"] * each.is_keyed
    return ", ".join(["self", *needed, *(["*", *named] if named else [])])


def _or_none(kind: str) -> str:
    return kind if kind.endswith("None") or kind == "Any" else f"{kind} | None"


def _call(each: Described, without: str = "") -> str:
    yielded = [each.constant]
    if each.path_arguments:
        yielded.append(f"({', '.join(each.path_arguments)},)")
    query = [one for one in each.query if one.argument != without]
    if query:
        yielded.append(f"query={_given(query)}")
    if each.fields:
        yielded.append(f"body={'body' if each.is_body_whole else _given(each.fields)}")
    if each.is_keyed:
        yielded.append("key=idempotency_key")
    if each.has_prefer:
        yielded.append('headers={"prefer": prefer}')
    return f"Call({', '.join(yielded)})"


def _given(parameters: list[Parameter]) -> str:
    return "{" + ", ".join(f'"{one.name}": {one.argument}' for one in parameters) + "}"


def _all_groups(groups: dict[str, list[Described]]) -> Iterator[str]:
    yield 'class Groups:\n    """All groups of operations."""\n\n'
    yield "    def __init__(self, calls: Calls) -> None:\n"
    for name in groups:
        yield f"        self.{name} = {camel(name)}Operations(calls)\n"
