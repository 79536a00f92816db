"""The reference as a page: the OpenAPI document as HTML, without scripts and other hosts' files."""

import json
import re
from collections.abc import Iterable, Iterator
from html import escape
from typing import Any

from services.api.handlers.reference_style import STYLE

Schema = dict[str, Any]
_QUOTED = re.compile(r"`([^`]+)`")
PATTERN_CHARACTERS_MAX = 48  # Of those that are shown: longer ones forbid control characters.


def html_of(document: Schema) -> str:
    """Return the whole page."""
    groups, schemas = _groups(document), document["components"]["schemas"].items()
    about = {each["name"]: each["description"] for each in document["tags"]}
    body = [
        _navigation(groups),
        "<main><h1>Darkroom</h1>",
        f"<p>{_text(document['info']['description'])}</p>",
        '<p>The same for programs: <a href="/api/openapi.json">/api/openapi.json</a>.</p>',
        _security(document["components"]["securitySchemes"]),
    ]
    for tag, operations in groups.items():
        body.append(f'<h2 id="{_anchor(tag)}">{escape(tag)}</h2><p>{_text(about[tag])}</p>')
        body += [_operation(*each) for each in operations]
    body += ['<h2 id="schemas">Schemas</h2>', *(_schema(*each) for each in schemas)]
    head = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Darkroom API</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head><body>"
    )
    return "".join([head, *body, "</main></body></html>"])


def _groups(document: Schema) -> dict[str, list[tuple[str, str, Schema]]]:
    """Return the operations by tag: method, path, and what is said of them."""
    found: dict[str, list[tuple[str, str, Schema]]] = {
        each["name"]: [] for each in document["tags"]
    }
    for paths in (document["paths"], document["webhooks"]):
        for path, operations in paths.items():
            for method, operation in operations.items():
                found[operation["tags"][0]].append((method, path, operation))
    return found


def _navigation(groups: dict[str, list[tuple[str, str, Schema]]]) -> str:
    parts = []
    for tag, operations in groups.items():
        links = "".join(
            f'<li><a href="#{each["operationId"]}">{escape(each["summary"])}</a></li>'
            for _, _, each in operations
        )
        parts.append(f'<h2><a href="#{_anchor(tag)}">{escape(tag)}</a></h2><ul>{links}</ul>')
    more = '<h2><a href="#schemas">Schemas</a></h2>'
    return f"<nav><strong>Darkroom API</strong>{''.join(parts)}{more}</nav>"


def _security(schemes: Schema) -> str:
    rows = [(f"<code>{name}</code>", _text(each["description"])) for name, each in schemes.items()]
    return "<h4>Who you are</h4>" + _table(("scheme", "how"), rows)


def _operation(method: str, path: str, operation: Schema) -> str:
    is_webhook = not path.startswith("/")
    place = "to your endpoint" if is_webhook else path
    parts = [
        f'<section><h3 id="{operation["operationId"]}">{escape(operation["summary"])}</h3>',
        (
            f'<code class="path"><span class="method {method}">{method.upper()}</span> '
            f"{escape(place)}</code>"
        ),
        *(f"<p>{_text(each)}</p>" for each in operation["description"].split("\n\n")),
        f'<p class="soft">{_admission(operation)}</p>' if not is_webhook else "",
        _parameters(operation["parameters"]),
        _body(operation),
        _answers(operation["responses"]),
    ]
    if not is_webhook:
        parts.append(f"<pre><code>{escape(curl_of(method, path, operation))}</code></pre>")
    return "".join([*parts, "</section>"])


def _admission(operation: Schema) -> str:
    names = [name for each in operation["security"] for name in each]
    if not names:
        return "Needs no token."
    return "Needs a token, or a ticket." if "ticket" in names else "Needs a token."


def _parameters(parameters: list[Schema]) -> str:
    if not parameters:
        return ""
    rows = [
        (
            f"<code>{escape(each['name'])}</code>",
            each["in"] + (", required" if each["required"] else ""),
            type_of(each["schema"]),
            _text(each["description"]),
        )
        for each in parameters
    ]
    return "<h4>Parameters</h4>" + _table(("name", "in", "value", "what it says"), rows)


def _body(operation: Schema) -> str:
    if "requestBody" not in operation:
        return ""
    content = operation["requestBody"]["content"]["application/json"]
    return f"<h4>Body</h4><p>{type_of(content['schema'])}</p>{_example(content)}"


def _answers(responses: Schema) -> str:
    rows, examples = [], []
    for status, answer in responses.items():
        contents = answer.get("content", {})
        kinds = [type_of(each["schema"]) for each in contents.values()]
        media_types = (name for name in contents if not name.endswith("json"))
        types = ", ".join(f"<code>{escape(name)}</code>" for name in media_types)
        headers = ", ".join(f"<code>{name}</code>" for name in answer.get("headers", {}))
        shown = " or ".join(dict.fromkeys(kinds))
        rows.append((f"<b>{status}</b>", _text(answer["description"]), shown, types, headers))
        examples += [_example(each) for each in contents.values()]
    head = ("status", "what it means", "document", "as", "headers")
    return "<h4>Answers</h4>" + _table(head, rows) + "".join(examples)


def _example(content: Schema) -> str:
    if "example" not in content:
        return ""
    shown = json.dumps(content["example"], indent=2, ensure_ascii=False)
    return f"<details><summary>Example</summary><pre><code>{escape(shown)}</code></pre></details>"


def curl_of(method: str, path: str, operation: Schema) -> str:
    """Return a line for a shell that sends the operation's example."""
    words = ["curl"]
    if method != "get":
        words.append(f"-X {method.upper()}")
    if operation["security"]:
        words.append('-H "Authorization: Token $DARKROOM_TOKEN"')
    example = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    if "example" in example:
        body = json.dumps(example["example"], ensure_ascii=False).replace("'", "'\\''")
        words.append(f"-H 'Content-Type: application/json' -d '{body}'")
    required = [
        f"{each['name']}={each['name'].upper()}"
        for each in operation["parameters"]
        if each["in"] == "query" and each["required"]
    ]
    query = f"?{'&'.join(required)}" if required else ""
    place = re.sub(r"\{(\w+)\}", lambda found: found[1].upper(), path)
    return " ".join([*words, f'"$DARKROOM_URL{place}{query}"'])


def _schema(name: str, schema: Schema) -> str:
    parts = [f'<section><h3 id="{name}">{escape(name)}</h3>']
    if text := schema.get("description"):
        parts.append(f"<p>{_text(text)}</p>")
    if properties := schema.get("properties"):
        required = schema.get("required", ())
        rows = [
            (
                f"<code>{escape(field)}</code>",
                type_of(each),
                "" if field in required else _default(each),
            )
            for field, each in properties.items()
        ]
        parts.append(_table(("field", "value", "presence"), rows))
    else:
        parts.append(f"<p>{type_of(schema)}</p>")
    return "".join([*parts, "</section>"])


def _default(schema: Schema) -> str:
    default = schema.get("default")
    return f"<code>{escape(str(default))}</code> if absent" if default is not None else "optional"


def type_of(schema: Schema) -> str:
    """Say in words what a value may be."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#{name}">{name}</a>'
    if "const" in schema:
        return f"<code>{escape(str(schema['const']))}</code>"
    if words := schema.get("enum"):
        return " ".join(f"<code>{escape(str(each))}</code>" for each in words)
    if several := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(type_of(each) for each in several)
    if properties := schema.get("properties"):
        fields = [
            f"<code>{escape(name)}</code>: {type_of(each)}" for name, each in properties.items()
        ]
        return f"object with {'; '.join(fields)}"
    kind = schema.get("type", "any JSON")
    if kind == "array":
        return f"list of {type_of(schema['items'])}{_bounds(schema)}"
    return escape(" or ".join(kind) if isinstance(kind, list) else kind) + _bounds(schema)


def _bounds(schema: Schema) -> str:
    return "".join(f", {each}" for each in _every_bound(schema))


def _every_bound(schema: Schema) -> Iterator[str]:
    for least, most, unit in (
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " items"),
    ):
        if least in schema and most in schema:
            yield f"{schema[least]:g} to {schema[most]:g}{unit}"
        elif least in schema or most in schema:
            word, bound = ("at least", least) if least in schema else ("at most", most)
            yield f"{word} {schema[bound]:g}{unit}"
    if name := schema.get("format"):
        yield escape(name)
    pattern = schema.get("pattern", "")
    if 0 < len(pattern) <= PATTERN_CHARACTERS_MAX:
        yield f"<code>{escape(pattern)}</code>"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    top = "".join(f"<th>{each}</th>" for each in head)
    lines = (f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><tr>{top}</tr>{"".join(lines)}</table></div>'


def _text(words: str) -> str:
    """Return text as HTML: what stands in backticks is code."""
    return _QUOTED.sub(r"<code>\1</code>", escape(words))


def _anchor(tag: str) -> str:
    return f"about-{tag.lower()}"
