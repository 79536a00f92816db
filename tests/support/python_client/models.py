"""Writes models.py: a msgspec struct for each object of the OpenAPI document."""

import textwrap
from collections.abc import Iterator
from typing import Any

from tests.support.python_client.naming import camel, snake

Schema = dict[str, Any]

HEAD = '''"""What is sent and answered. Written by `make docs` from the OpenAPI document."""

from datetime import datetime
from typing import Any, Literal

from msgspec import Struct, field


class Document(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What all of the below are. Fields that a newer server adds are passed over."""
'''
TYPES = {
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "null": "None",
    "string": "str",
    "object": "dict[str, Any]",
}
WORDS_MAX = 12  # A longer list, such as the error codes, grows: it is no closed choice.
# Written by hand, in errors.py.
BY_HAND = {"Problem", "FieldError"}


class Models:
    """The classes that are written, and what type a schema is in Python."""

    def __init__(self, document: Schema) -> None:
        self.schemas: dict[str, Schema] = document["components"]["schemas"]
        self._webhooks: dict[str, Schema] = document["webhooks"]
        self._tags = dict(self._find_tags())
        self._written: dict[str, str] = {}
        self._under_way: set[str] = set()

    def text(self) -> str:
        for name in sorted(self.schemas.keys() - BY_HAND):
            self._write(name)
        return "\n\n".join([HEAD, *self._written.values(), self._notifications()])

    def type_of(self, schema: Schema, within: str = "") -> str:
        """Return a schema as a type; an object of its own gets a class, named after `within`."""
        if name := reference_of(schema):
            return self._class_of(name)
        if several := schema.get("oneOf") or schema.get("anyOf") or schema.get("allOf"):
            return self._union(several, within)
        words, kind = words_of(schema), schema.get("type")
        if words:
            return _choice(schema, words)
        if isinstance(kind, list):
            return _joined(self.type_of(schema | {"type": each}, within) for each in kind)
        if kind == "array":
            return f"list[{self.type_of(schema.get('items', {}), within)}]"
        if kind == "object":
            return self._object(schema, within)
        is_time = schema.get("format") == "date-time"
        return "datetime" if is_time else TYPES.get(str(kind), "Any")

    def _class_of(self, name: str) -> str:
        if name in self._under_way:
            return "Any"  # JSON within JSON: Python's types can't say it.
        self._write(name)
        return name if name in self._written else "Any"

    def _union(self, choices: list[Schema], within: str) -> str:
        objects = [each for each in choices if self._is_object(each)]
        untagged = [each for each in objects if reference_of(each) not in self._tags]
        if len(objects) > 1 and untagged:
            rest = [self.type_of(each, within) for each in choices if each not in objects]
            return _joined(["dict[str, Any]", *rest])
        return _joined(self.type_of(each, within) for each in choices)

    def _is_object(self, schema: Schema) -> bool:
        name = reference_of(schema)
        found = self.schemas[name] if name else schema
        return found.get("type") == "object" or "properties" in found

    def _object(self, schema: Schema, within: str) -> str:
        if "properties" in schema and within:
            self._written.setdefault(within, "".join(self._struct(within, schema)))
            return within
        values = schema.get("additionalProperties")
        return f"dict[str, {self.type_of(values)}]" if isinstance(values, dict) else TYPES["object"]

    def _write(self, name: str) -> None:
        if name in self._written or name in self._under_way or name in BY_HAND:
            return
        self._under_way.add(name)
        schema = self.schemas[name]
        if "properties" in schema:
            text = "".join(self._struct(name, schema, self._tags.get(name)))
        else:
            kind = self.type_of(schema, name)
            text = "" if kind in {"Any", name} else f"{name} = {kind}\n"
        self._under_way.discard(name)
        if text:
            self._written[name] = text

    def _struct(
        self, name: str, schema: Schema, tag: tuple[str, str] | None = None
    ) -> Iterator[str]:
        tagged = f", tag_field={tag[0]!r}, tag={tag[1]!r}" if tag else ""
        yield f"class {name}(Document, frozen=True, kw_only=True{tagged}):\n"
        if text := schema.get("description"):
            yield docstring(text)
        fields = [
            "".join(self._field(name, key, each, schema))
            for key, each in schema["properties"].items()
            if tag is None or key != tag[0]
        ]
        if tag is not None:
            fields.append(_TAG_PROPERTY.format(name=snake(tag[0]), tag=tag[1]))
        yield "".join(fields) or "    pass\n"

    def _field(self, owner: str, key: str, schema: Schema, parent: Schema) -> Iterator[str]:
        kind = self.type_of(schema, camel(f"{owner} {key}"))
        name, default = snake(key), None
        if key not in parent.get("required", ()):
            given = schema.get("default")
            simple = isinstance(given, str | int | float)
            default = repr(given) if simple else "None"
            if default == "None" and not kind.endswith("None") and kind != "Any":
                kind = f"{kind} | None"
        if name != key:
            more = f", default={default}" if default else ""
            yield f"    {name}: {kind} = field(name={key!r}{more})\n"
        else:
            yield f"    {name}: {kind}{f' = {default}' if default else ''}\n"

    def _notifications(self) -> str:
        """Return what each webhook's body is, by its type."""
        bodies = {
            name: reference_of(
                next(iter(each["post"]["requestBody"]["content"].values()))["schema"]
            )
            for name, each in self._webhooks.items()
        }
        kinds = " | ".join(dict.fromkeys(bodies.values()))
        rows = "".join(f"    {name!r}: {kind},\n" for name, kind in bodies.items())
        return (
            f"Notification = {kinds}\nNOTIFICATIONS: dict[str, type[Notification]] = {{\n{rows}}}\n"
        )

    def _find_tags(self) -> Iterator[tuple[str, tuple[str, str]]]:
        """Yield each object that is one of several, with the field and the word that tell it."""
        for schema in walk(self.schemas):
            choices = schema.get("oneOf") or schema.get("anyOf") or []
            names = [name for each in choices if (name := reference_of(each))]
            objects = [name for name in names if "properties" in self.schemas[name]]
            for key in self.schemas[objects[0]]["properties"] if len(objects) > 1 else ():
                words = [
                    words_of(self.schemas[each]["properties"].get(key, {})) for each in objects
                ]
                if all(len(each) == 1 for each in words):
                    yield from (
                        (name, (key, one[0])) for name, one in zip(objects, words, strict=True)
                    )
                    break


_TAG_PROPERTY = """
    @property
    def {name}(self) -> str:
        return {tag!r}
"""


def _choice(schema: Schema, words: list[Any]) -> str:
    if len(words) > WORDS_MAX:
        return TYPES.get(str(schema.get("type", "string")), "Any")
    literal = [each for each in words if each is not None]
    none = ["None"] if len(literal) < len(words) else []
    return _joined([f"Literal[{', '.join(map(repr, literal))}]", *none])


def reference_of(schema: Schema) -> str:
    """Return the name of the schema that is referred to; empty when there is none."""
    return str(schema.get("$ref", "")).rpartition("/")[2]


def words_of(schema: Schema) -> list[Any]:
    return [schema["const"]] if "const" in schema else list(schema.get("enum", ()))


def walk(schema: Any) -> Iterator[Schema]:
    """Yield every schema within a schema."""
    if isinstance(schema, dict):
        yield schema
        for each in schema.values():
            yield from walk(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from walk(each)


def docstring(text: str, indent: str = "    ") -> str:
    lines = textwrap.wrap(" ".join(text.split()), 93 - len(indent))
    if len(lines) == 1:
        return f'{indent}"""{lines[0]}"""\n\n'
    return "".join(
        [
            f'{indent}"""',
            *(f"{indent if n else ''}{line}\n" for n, line in enumerate(lines)),
            f'{indent}"""\n\n',
        ]
    )


def _joined(types: Any) -> str:
    """Return a union in which no type stands twice, None last."""
    found = list(dict.fromkeys(part for each in types for part in each.split(" | ")))
    if "Any" in found:
        return "Any"
    return " | ".join(sorted(found, key=lambda each: each == "None"))
