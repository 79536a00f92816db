"""Writes docs/reference: the settings and the API as Markdown, OpenAPI and AsyncAPI. `make docs`
runs it.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, get_type_hints

from msgspec import structs

from adapters import setting_names
from adapters.setting_types import BadValue, value_of
from cli.service_settings import KINDS, WITHHELD
from tests.support.asyncapi import asyncapi_text
from tests.support.described_api import openapi, openapi_text

FOLDER = Path(__file__).parent.parent.parent / "docs" / "reference"
GENERATED = "<!-- Written by `make docs`. Do not edit. -->\n"
SERVICES = {"api", "dispatcher", "ingestor", "projector"}
NO_VALUE = "\n /?#@,"  # Only a setting that may be any text takes it.
LONG_PATTERN = 48
ABOUT_SETTINGS = """Each is an environment variable. A `.env` file is read too; the environment \
wins over it. An empty value counts as unset. A wrong value, or a name that looks like one of \
these and is none, ends the start with exit code 2 and a line that names it. `darkroom config \
show` prints what is in force.
"""
ABOUT_API = """The machine-readable form is `GET /api/openapi.json`. Every path works with and \
without a slash at its end, and needs a token where nothing else is said: `Authorization: Token …` \
or `Authorization: Bearer …`. Every error is a problem document (RFC 9457); \
[errors.md](../guides/errors.md) has all codes. `Retry-After` comes with 429 and 503. Unknown \
fields of a body are refused. The documents of answers are shown in the walk-throughs: \
[infographs](../guides/infographs.md), [funnels](../guides/funnels.md), \
[characters](../guides/characters.md). [streams.md](../guides/streams.md) tells how to follow \
a stream.

Parameters that many operations have:

- `Idempotency-Key`: a name of your choice for the request. Sent again with it, the request is \
carried out once and gets the same answer.
- `Prefer`: `wait=SECONDS` (0 to 30) or `respond-async` says how long the answer may wait until \
the provider has the jobs.
- `wait`: for how many seconds to wait for a change. With `If-None-Match`, a change of the \
document that has this ETag; without, the job's end.
- `min_as_of`: the `as_of` of an earlier answer. What is read is at least as new.
- `cursor`: `next` of the page before, or the one in its `Link` header.
- `Last-Event-ID`, or `after`: the id of the last frame that was read. The stream goes on behind it.
"""
# Settings that no service reads.
OTHER_TEXTS = {
    "DARKROOM_API_PASSWORD": "The api's password at the broker, read by the broker.",
    "DARKROOM_DISPATCHER_PASSWORD": "The dispatcher's password at the broker, read by the broker.",
    "DARKROOM_ENV_FILE": "Another file instead of `.env`; empty: none.",
    "DARKROOM_INGESTOR_PASSWORD": "The ingestor's password at the broker, read by the broker.",
    "DARKROOM_OPERATOR_PASSWORD": "The operator's password at the broker, read by the broker.",
    "DARKROOM_PROJECTOR_PASSWORD": "The projector's password at the broker, read by the broker.",
    "DARKROOM_TOKEN": "With which token `darkroom jobs` asks.",
    "DARKROOM_URL": "Which API `darkroom jobs` asks, if not that of the data folder's world.",
    "FAL_FORCE_AUTH_BY_USER": "Read by the provider's own client.",
    "FAL_KEY_ID": "Read by the provider's own client.",
    "FAL_KEY_SECRET": "Read by the provider's own client.",
    "FAL_RUN_HOST": "Read by the provider's own client.",
}
API_TITLES = {
    "infographs": "Infographs",
    "characters": "Characters",
    "generate": "Funnels",
    "runs": "Runs",
    "jobs": "Jobs",
    "job-kinds": "Kinds of job",
    "credits": "Credits",
    "stream": "Streams",
    "stream-tickets": "Stream tickets",
    "webhook-endpoints": "Webhook endpoints",
    "operator": "Operators and services",
    "artifacts": "Artifacts",
    "health": "Health",
    "metrics": "Metrics",
}


def configuration() -> str:
    """Return the reference of all settings."""
    own = sorted(setting_names.SERVICE_NAMES)
    others = sorted(setting_names.OTHER_NAMES)
    return "\n".join(
        [
            f"{GENERATED}\n# Settings\n",
            ABOUT_SETTINGS,
            "## Of the services and the simulator\n",
            *_table(("name", "default", "value", "read by", "what it does"), map(_setting, own)),
            "\n## Of the command line, the broker's configuration and the provider's client\n",
            *_table(("name", "what it does"), ((f"`{name}`", _text(name)) for name in others)),
            "",
        ]
    )


def _text(name: str) -> str:
    return setting_names.DESCRIPTIONS.get(name) or OTHER_TEXTS[name]


def _setting(name: str) -> tuple[str, ...]:
    readers = [each for each in KINDS if name.lower() in KINDS[each].__struct_fields__]
    kind = KINDS[readers[0]]
    default = next(each.default for each in structs.fields(kind) if each.name == name.lower())
    values = _values(get_type_hints(kind, include_extras=True)[name.lower()])
    given_to = {each for each in readers if name not in WITHHELD.get(each, ())}
    read_by = "all services" if given_to == SERVICES else ", ".join(sorted(given_to))
    shown = f"{default:g}" if isinstance(default, float) else str(default or "")
    return f"`{name}`", f"`{shown}`" if shown else "unset", values, read_by, _text(name)


def _values(kind: Any) -> str:
    """Say in words what a setting may be, as its own error message does."""
    try:
        value_of(NO_VALUE, kind)
    except BadValue as error:
        return str(error).removeprefix("must be ")
    return "any text"


def api() -> str:
    """Return the reference of the API, from its own OpenAPI document."""
    document = openapi()
    schemas = document["components"]["schemas"]
    groups: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        parts = path.strip("/").split("/")
        group = groups.setdefault(parts[1] if parts[0] == "api" else parts[0], [])
        for method, operation in operations.items():
            group.extend(_operation(f"{method.upper()} {path}", operation))
    ordered = [*API_TITLES, *sorted(groups.keys() - API_TITLES.keys())]
    return "\n".join(
        [
            f"{GENERATED}\n# The API\n",
            ABOUT_API,
            *(
                line
                for name in ordered
                if name in groups
                for line in (f"## {API_TITLES.get(name, name)}\n", *groups[name])
            ),
            "## Inputs and other schemas\n",
            *(line for name in sorted(schemas) for line in _schema(name, schemas[name])),
        ]
    )


def _operation(title: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"### {title}\n"
    yield f"{operation['description']}\n"  # Its handler's docstring: each handler has one.
    schemes = {name for each in operation.get("security", ()) for name in each}
    if not schemes:
        yield "Needs no token.\n"
    elif "ticket" in schemes:
        yield "A ticket (`?ticket=`) is enough instead of a token.\n"
    if parameters := operation.get("parameters"):
        rows = [
            (f"`{each['name']}`", each["in"], _type(each["schema"]), _presence(each))
            for each in parameters
        ]
        yield from (*_table(("parameter", "in", "value", "presence"), rows), "")
    if body := operation.get("requestBody"):
        yield f"Body: {_type(body['content']['application/json']['schema'])}.\n"
    yield from _answers(operation["responses"])


def _answers(responses: dict[str, Any]) -> Iterator[str]:
    good = sorted(status for status in responses if status < "400")
    bad = sorted(status for status in responses if status >= "400")
    every = (name for status in good for name in responses[status].get("content", {}))
    types = list(dict.fromkeys(every))
    form = f" ({', '.join(f'`{each}`' for each in types)})" if types else ""
    documents = [
        _type(content["schema"])
        for status in good
        for name, content in responses[status].get("content", {}).items()
        if name == "application/json"
    ]
    found = f": {', '.join(dict.fromkeys(documents))}" if documents else ""
    yield f"Answers {', '.join(good)}{form}{found}; problems {', '.join(bad)}.\n"


def _schema(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f"### {name}\n"
    if text := schema.get("description"):
        yield f"{text}\n"
    if choices := schema.get("oneOf"):
        yield "One of:\n"
        for each in choices:
            yield f"- {_choice(each)}"
        yield ""
    elif properties := schema.get("properties"):
        required = schema.get("required", ())
        rows = [
            (f"`{field}`", _type(each), _presence({"schema": each, "required": field in required}))
            for field, each in properties.items()
        ]
        yield from (*_table(("field", "value", "presence"), rows), "")
    else:
        yield f"{_type(schema)}\n"


def _choice(each: dict[str, Any]) -> str:
    if "$ref" in each:
        return _type(each)
    return f"{_type(each['properties']['kind'])}: {_type(each['properties']['input'])}"


def _presence(each: dict[str, Any]) -> str:
    if each.get("required"):
        return "required"
    default = each["schema"].get("default")
    return f"`{default}` if absent" if default is not None else "optional"


def _type(schema: dict[str, Any]) -> str:
    """Say in words what a value may be."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "const" in schema:
        return f"`{schema['const']}`"
    if choices := schema.get("enum"):
        return ", ".join(f"`{each}`" for each in choices)
    if several := schema.get("anyOf"):
        return " or ".join(_type(each) for each in several)
    kind = schema.get("type", "any JSON")
    if isinstance(kind, list):
        return " or ".join(kind)
    if kind == "array":
        return f"list of {_type(schema['items'])}{_bounds(schema)}"
    return f"{kind}{_bounds(schema)}"


def _bounds(schema: dict[str, Any]) -> str:
    ranges = [
        _range(schema.get(least), schema.get(most)) + unit
        for least, most, unit in (
            ("minimum", "maximum", ""),
            ("minLength", "maxLength", " characters"),
            ("minItems", "maxItems", " items"),
        )
        if least in schema or most in schema
    ]
    return "".join(f", {each}" for each in (*ranges, *_form(schema)))


def _range(least: float | None, most: float | None) -> str:
    if least is None:
        return f"at most {most:g}"
    return f"at least {least:g}" if most is None else f"{least:,g} to {most:,.10g}"


def _form(schema: dict[str, Any]) -> Iterator[str]:
    if name := schema.get("format"):
        yield f"format {name}"
    pattern = schema.get("pattern", "")
    if pattern.startswith("^https?://"):
        yield "an http:// or https:// URL"
    elif len(pattern) > LONG_PATTERN:
        yield "no control characters"
    elif pattern:
        yield f"`{pattern}`"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    head = tuple(head)
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"


REFERENCES = {
    "configuration.md": configuration,
    "api.md": api,
    "openapi.json": openapi_text,
    "asyncapi.json": asyncapi_text,
}


def write() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, text in REFERENCES.items():
        (FOLDER / name).write_text(text())


if __name__ == "__main__":
    write()
