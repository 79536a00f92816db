"""Documents that would go stale: settings, error codes, the stops of the architecture."""

import re
from functools import cache
from pathlib import Path

import pytest

from adapters.problems import STATUSES
from adapters.setting_names import NAMES
from adapters.settings import CommonSettings
from domain.refusals import CODES, JOB_CODES
from services.api.settings import ApiSettings
from services.dispatcher.settings import DispatcherSettings
from services.ingestor.settings import IngestorSettings
from simulator.failures import ABOUT
from tests.architecture.sources import ROOT, SOURCES, name_of, names_defined_in

DOCUMENTS = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "services").rglob("README.md")),
    *sorted((ROOT / "clients").glob("*/README.md")),
]
OF_OTHERS = {"EventSource", "JetStream", "WebSocket", "WebSockets"}
# Files that a guide has its reader make.
OF_AN_EXAMPLE = {"domain/job_kinds/video.py"}
# Set by `darkroom up` for its own processes, not by people.
INTERNAL = {"ingestor_url", "ingestor_host", "ingestor_port", "nats_user", "nats_password"}


def test_every_setting_is_in_the_example_file() -> None:
    example = (ROOT / ".env.example").read_text()
    documented = set(re.findall(r"^#? ?([A-Z0-9_]+)=", example, re.MULTILINE))
    kinds = (CommonSettings, ApiSettings, DispatcherSettings, IngestorSettings)
    wanted = {name.upper() for kind in kinds for name in kind.__struct_fields__}
    missing = wanted - {name.upper() for name in INTERNAL} - documented
    assert not missing, f".env.example does not have {sorted(missing)}"
    assert documented <= NAMES, f".env.example has {sorted(documented - NAMES)}: no such settings"


def test_every_error_code_is_documented() -> None:
    text = (ROOT / "docs" / "guides" / "errors.md").read_text()
    assert STATUSES.keys() == CODES.keys()
    for code, status in STATUSES.items():
        assert f"| `{code}` | {status} |" in text, code
    for code, message in JOB_CODES.items():
        assert f"| `{code}` | {message} |" in text, code


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_file_that_a_document_names_exists(path: Path) -> None:
    text = path.read_text()
    named = re.findall(r"`((?:[\w-]+/)+[\w.-]+\.(?:py|md|conf))`", text)
    named += re.findall(r"\bdocs/decisions/\d{4}\b", text)
    missing = [name for name in named if name not in OF_AN_EXAMPLE and not exists(name)]
    assert not missing, f"{name_of(path)} names {missing}: there are no such files"


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_link_of_a_document_leads_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([\w./-]+)(?:#[^)]*)?\)", path.read_text())
    broken = [link for link in links if not (path.parent / link).exists()]
    assert not broken, f"{name_of(path)} links to {broken}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_test_that_a_document_names_exists(path: Path) -> None:
    missing = set(re.findall(r"`(test_\w+)`", path.read_text())) - every_test()
    assert not missing, f"{name_of(path)} names {sorted(missing)}: there are no such tests"


@cache
def every_test() -> set[str]:
    texts = [each.read_text() for each in (ROOT / "tests").rglob("test_*.py")]
    return {name for text in texts for name in re.findall(r"def (test_\w+)\(", text)}


def exists(name: str) -> bool:
    return (ROOT / name).exists() or any(ROOT.glob(f"{name}-*.md"))


@pytest.mark.parametrize("name", ["ARCHITECTURE.md", "SECURITY.md", "docs/glossary.md"])
def test_every_class_that_a_document_names_exists(name: str) -> None:
    defined = {each for path in SOURCES for each, _ in names_defined_in(path)}
    named = set(re.findall(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b", (ROOT / name).read_text()))
    missing = sorted(named - defined - OF_OTHERS)
    assert not missing, f"{name} names {missing}: the code defines no such names"


def test_the_readme_counts_the_failures_that_there_are() -> None:
    (counted,) = re.findall(r"\[(\d+) of them\]", (ROOT / "README.md").read_text())
    assert int(counted) == len(ABOUT)


def test_the_readme_names_only_targets_that_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"`make ([a-z-]+)", (ROOT / "README.md").read_text()):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
