"""Writes the generated modules, formatted, where the package has them."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.python_client.models import Models
from tests.support.python_client.operations import Operations

ROOT = Path(__file__).parent.parent.parent.parent
FOLDER = ROOT / "clients" / "python" / "darkroom_client"
DOCUMENT = ROOT / "docs" / "reference" / "openapi.json"
CLASS = re.compile(r"^class (\w+)\(Document,|^(\w+) = ", re.MULTILINE)


def read() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(DOCUMENT.read_text())
    return document


def texts(document: dict[str, Any]) -> dict[str, str]:
    """Return the text of each generated module, by its name."""
    models = Models(document)
    operations = Operations(document, models).text()
    written = models.text()  # After the operations: answers without a name get theirs there.
    names = sorted(a or b for a, b in CLASS.findall(written))
    used = [name for name in names if re.search(rf"\b{name}\b", operations)]
    marker = "from darkroom_client.pages import items_of\n"
    imports = f"from darkroom_client.models import {', '.join(used)}\n"
    operations = operations.replace(marker, imports + marker, 1)
    return {"models.py": _formatted(written), "operations.py": _formatted(operations)}


def write() -> None:
    for name, text in texts(read()).items():
        (FOLDER / name).write_text(text)


def _formatted(text: str) -> str:
    """Return the text as `make format` leaves it."""
    for command in (("check", "--fix-only", "-q"), ("format", "-q")):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--stdin-filename", "generated.py", "-"],
            input=text,
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        )
        text = done.stdout
    return text
