"""Writes the TypeScript client's types from the OpenAPI document. `make clients` runs it."""

from pathlib import Path

from tests.support.node import CLIENT, MODULES, ROOT, node, set_up

DOCUMENT = ROOT / "docs" / "reference" / "openapi.json"
SCHEMA = CLIENT / "src" / "schema.ts"
GENERATED = "// Written by `make clients`. Do not edit.\n"
GENERATOR = MODULES / "openapi-typescript" / "bin" / "cli.js"


def generated(document: Path = DOCUMENT) -> tuple[str, str]:
    """Return what openapi-typescript makes of the document, and what it warns of.

    A field with a default may be left out of a request, so a default does not make it required.
    """
    done = node(GENERATOR, document, "--default-non-nullable", "false")
    assert done.returncode == 0, done.stdout + done.stderr
    return GENERATED + done.stdout, done.stderr


if __name__ == "__main__":
    set_up()
    text, warnings = generated()
    SCHEMA.write_text(text)
    print(warnings, end="")
