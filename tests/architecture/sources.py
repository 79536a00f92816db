"""Which files the tests of this folder read, and their syntax trees."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PACKAGES = (
    "contracts",
    "domain",
    "application",
    "read_models",
    "adapters",
    "services",
    "cli",
    "simulator",
)
SOURCES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
GENERATED = {"models.py", "operations.py"}  # Of clients/python.
CLIENT = [
    path
    for path in sorted((ROOT / "clients" / "python" / "darkroom_client").glob("*.py"))
    if path.name not in GENERATED
]
EVERYTHING = [
    *SOURCES,
    *CLIENT,
    *sorted((ROOT / "tests").rglob("*.py")),
    *(ROOT / "bench").glob("*.py"),
]

AnyFunction = ast.FunctionDef | ast.AsyncFunctionDef


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(path.read_text())))


def names_defined_in(path: Path) -> Iterator[tuple[str, int]]:
    """Yield what the module defines, itself included: each name, with its line."""
    yield path.parent.name if path.stem == "__init__" else path.stem, 1
    for node in nodes_of(path):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                yield name, node.lineno
            case ast.AsyncFunctionDef(name=name) | ast.arg(arg=name):
                yield name, node.lineno
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name, node.lineno


def lines_of(function: AnyFunction) -> int:
    """Return how many lines a function has, from its `def` to its last."""
    return (function.end_lineno or 0) - function.lineno + 1
