"""The house rules, held by a test: sizes, sameness, names, and what must not be committed."""

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from http import HTTPStatus
from pathlib import Path

import grimp
import pytest

from domain.refusals import CODES, JOB_CODES
from tests.architecture.sources import (
    EVERYTHING,
    PACKAGES,
    ROOT,
    SOURCES,
    AnyFunction,
    lines_of,
    name_of,
    names_defined_in,
    nodes_of,
)

SERVICES = ("api", "dispatcher", "ingestor", "projector")
MODULE_LINES_MAX = 300
FUNCTION_LINES_MAX = 50
ERROR_STATUSES = {status.value for status in HTTPStatus if status >= HTTPStatus.BAD_REQUEST}
MEDIAN_LINES_MAX = 8
NINETIETH_LINES_MAX = 20
PRIVATE_MODULES_MAX = 3
OPT_OUTS_MAX = 12
BANNED_NAMES = {
    "utils",
    "util",
    "helpers",
    "helper",
    "common",
    "core",
    "lib",
    "manager",
    "platform",
}


@pytest.mark.parametrize("path", EVERYTHING, ids=name_of)
def test_a_module_is_at_most_300_lines_and_says_what_it_is(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MODULE_LINES_MAX
    if text.strip():
        assert ast.get_docstring(ast.parse(text)), "no docstring"


@pytest.mark.parametrize("path", EVERYTHING, ids=name_of)
def test_a_function_is_at_most_50_lines(path: Path) -> None:
    for node in nodes_of(path):
        if isinstance(node, AnyFunction):
            assert lines_of(node) <= FUNCTION_LINES_MAX, node.name


def test_functions_are_short() -> None:
    """Sizes of the product's functions: half of them at most 8 lines, nine in ten at most 20."""
    nodes = [node for path in SOURCES for node in nodes_of(path)]
    sizes = sorted(lines_of(node) for node in nodes if isinstance(node, AnyFunction))
    median, ninetieth = sizes[len(sizes) // 2], sizes[len(sizes) * 9 // 10]
    assert median <= MEDIAN_LINES_MAX, f"the median function has {median} lines"
    assert ninetieth <= NINETIETH_LINES_MAX, f"one function in ten has {ninetieth} lines or more"


def test_no_name_says_nothing() -> None:
    assert not [path for path in EVERYTHING if path.stem in BANNED_NAMES]


@pytest.mark.parametrize("service", SERVICES)
def test_all_services_have_the_same_shape(service: str) -> None:
    folder = ROOT / "services" / service
    found = {path.name for path in folder.iterdir() if path.name != "__pycache__"}
    shape = {"__init__.py", "__main__.py", "settings.py", "app.py", "dependencies.py"}
    shape |= {"handlers", "README.md"}
    assert shape <= found
    assert len(found - shape) <= PRIVATE_MODULES_MAX, found - shape
    assert len((folder / "README.md").read_text().splitlines()) <= 25


def test_unit_tests_mirror_the_source_path_for_path() -> None:
    for path in (ROOT / "tests" / "unit").rglob("test_*.py"):
        relative = path.relative_to(ROOT / "tests" / "unit")
        name = path.stem.removeprefix("test_")
        candidates = [
            ROOT / relative.parent / f"{name}.py",
            ROOT / relative.parent / name / "__init__.py",
            ROOT / name / "__init__.py",
            ROOT / relative.parent,
        ]
        assert any(candidate.exists() for candidate in candidates), relative


def test_unit_tests_open_no_sockets() -> None:
    for path in (ROOT / "tests" / "unit").rglob("*.py"):
        assert not re.search(r"^import socket|tests\.support\.(servers|worlds)", path.read_text())


def test_only_the_decorator_subscribes_to_the_stream() -> None:
    """A bare subscriber would terminate a message on any exception: the job would be gone."""
    users = [name_of(path) for path in SOURCES if ".subscriber(" in path.read_text()]
    assert users == ["adapters/subscribers.py"]


def test_only_one_module_builds_subjects() -> None:
    pattern = re.compile(r"f[\"']log\.")
    users = [name_of(path) for path in SOURCES if pattern.search(path.read_text())]
    assert users == ["contracts/subjects.py"]


def calls_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield each call of the module: its line, and what is called, as it is written."""
    for node in nodes_of(path):
        if isinstance(node, ast.Call):
            yield node.lineno, ast.unparse(node.func)


def test_only_the_application_layer_commits() -> None:
    """A commit that is built elsewhere would be one that no decider and no recording made."""
    commits = re.compile(r"(\w+\.)*(Commit|_?log\.append)")
    found = [
        f"{name_of(path)}:{line}: {call}("
        for path in SOURCES
        if not name_of(path).startswith("application/")
        for line, call in calls_of(path)
        if commits.fullmatch(call)
    ]
    assert not found, "use a command handler or `record`:\n" + "\n".join(found)


def test_the_rules_know_no_http_status() -> None:
    found = [
        f"{name_of(path)}:{node.lineno}: {node.value}"
        for path in SOURCES
        if name_of(path).startswith("domain/")
        for node in nodes_of(path)
        if isinstance(node, ast.Constant)
        and type(node.value) is int
        and node.value in ERROR_STATUSES
    ]
    assert not found, "the rules name codes, adapters give them statuses:\n" + "\n".join(found)


def test_an_error_is_raised_with_its_message() -> None:
    pattern = re.compile(r"^\s+msg = ", re.MULTILINE)
    found = [name_of(path) for path in SOURCES if pattern.search(path.read_text())]
    assert not found, f"write the message where it is raised: {found}"


def test_what_only_tests_need_is_no_part_of_the_product() -> None:
    """Fakes that keep things in memory, and clocks that are wrong, belong to tests/support."""
    only_for_tests = re.compile(r"Memory[A-Z]\w*|Fake\w*|(\w+_)?skews?(_\w+)?|\w*Skews?")
    found = [
        f"{name_of(path)}:{line}: {name}"
        for path in SOURCES
        for name, line in names_defined_in(path)
        if only_for_tests.fullmatch(name)
    ]
    assert not found, "\n".join(found)


def test_ruff_has_at_most_twelve_opt_outs_each_with_its_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    ignored = tomllib.loads(text)["tool"]["ruff"]["lint"]["ignore"]
    assert len(ignored) <= OPT_OUTS_MAX
    for rule in ignored:
        assert re.search(rf'"{rule}",\s+# \S', text), rule


def test_every_switched_off_check_names_its_rule() -> None:
    bare = re.compile(r"# noqa(?!:)|type: ignore(?!\[)")
    assert not [name_of(path) for path in SOURCES if bare.search(path.read_text())]


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
    )
    return [ROOT / line for line in listed.stdout.decode().splitlines()]


def test_nothing_committed_names_a_registry_or_a_path_of_a_machine() -> None:
    hosts = ("py" + "pi.org", "python" + "hosted", "np" + "mjs.org", "deb." + "debian.org")
    places = ("/work/" + "main", "/ro" + "ot/", "/opt/" + "pypi")
    for path in tracked():
        text = path.read_text(errors="ignore") if path.is_file() else ""
        found = [word for word in (*hosts, *places) if word in text]
        assert not found, (path, found)


def test_the_locks_have_hashes_and_no_addresses() -> None:
    for name in ("runtime.txt", "dev.txt"):
        text = (ROOT / "requirements" / name).read_text()
        assert "--hash=sha256:" in text
        assert not re.search(r"^\s*(--index|--extra|--find)|https?://", text, re.MULTILINE)


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = grimp.build_graph(*PACKAGES)
    imports = {each: graph.find_modules_directly_imported_by(each) for each in graph.modules}
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_every_code_that_the_product_names_is_on_its_list() -> None:
    """Codes are words of the API: a misspelt one would be a 500 where a 4xx is meant."""
    lists = {"Refused": CODES, "Failure": JOB_CODES, "ArtifactRefused": JOB_CODES}
    named = [
        (name_of(path), node.func.id, node.args[0].value)
        for path in SOURCES
        for node in nodes_of(path)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in lists
        and node.args
        and isinstance(node.args[0], ast.Constant)
    ]
    assert {kind for _, kind, _ in named} == set(lists)
    assert not [each for each in named if each[2] not in lists[each[1]]]
