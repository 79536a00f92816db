"""The fields of a job's input on the command line: `name=value`, read as the kind's schema says."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from cli.output import USAGE, stop_with

Schema = Mapping[str, Any]


def fields_of(prompt: str | None, given: Sequence[str]) -> dict[str, str]:
    """Return the fields as they were written; end the command at one that has no name, or two."""
    written = {} if prompt is None else {"prompt": prompt}
    for each in given:
        name, equals, value = each.partition("=")
        if not name or not equals:
            stop_with(USAGE, f"darkroom: --field wants NAME=VALUE, not {each!r}")
        if name in written:
            stop_with(USAGE, f"darkroom: {name} is given twice")
        written[name] = value
    return written


def input_of(kind: str, schema: Schema, written: Mapping[str, str]) -> dict[str, Any]:
    """Read each field as its type: a text as it stands, all else as JSON. End the command with all
    that is wrong at once.
    """
    found, wrong = dict[str, Any](), list[str]()
    known = _resolved(schema, schema).get("properties", {})
    for name, text in written.items():
        if name not in known:
            wrong.append(f"darkroom: {name}: {kind} has no such field")
            continue
        types = _types(schema, known[name])
        try:
            found[name] = text if "string" in types else msgspec.json.decode(text)
        except msgspec.DecodeError:
            wanted = " or ".join(sorted(types))
            wrong.append(f"darkroom: {name}: must be JSON of the type {wanted}, not {text!r}")
    if wrong:
        stop_with(USAGE, "\n".join([*wrong, f"{kind} has {', '.join(sorted(known))}"]))
    return found


def _types(schema: Schema, field: Schema) -> set[str]:
    """Return JSON's types that a field may have."""
    field = _resolved(schema, field)
    if "anyOf" in field:
        return set().union(*(_types(schema, each) for each in field["anyOf"]))
    if "enum" in field and "type" not in field:
        return {"string"} if all(isinstance(each, str) for each in field["enum"]) else {"number"}
    found = field.get("type", "any")
    return {found} if isinstance(found, str) else set(found)


def _resolved(schema: Schema, part: Schema) -> Schema:
    name = part.get("$ref", "").rpartition("/")[2]
    found: Schema = schema["$defs"][name] if name else part
    return found
