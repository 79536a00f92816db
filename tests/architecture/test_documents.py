"""Documents that would go stale: settings, error codes, the stops of the architecture."""

import re
from pathlib import Path

from adapters.problems import STATUSES
from adapters.settings import CommonSettings
from domain.refusals import CODES, JOB_CODES
from services.api.settings import ApiSettings
from services.dispatcher.settings import DispatcherSettings
from services.ingestor.settings import IngestorSettings

ROOT = Path(__file__).parent.parent.parent
# Set by `darkroom up` for its own processes, not by people.
INTERNAL = {"ingestor_url", "ingestor_host", "ingestor_port", "nats_user", "nats_password"}


def test_every_setting_is_in_the_example_file() -> None:
    example = (ROOT / ".env.example").read_text()
    documented = set(re.findall(r"^#? ?([A-Z0-9_]+)=", example, re.MULTILINE))
    kinds = (CommonSettings, ApiSettings, DispatcherSettings, IngestorSettings)
    wanted = {name.upper() for kind in kinds for name in kind.__struct_fields__}
    assert wanted - {name.upper() for name in INTERNAL} <= documented


def test_every_error_code_is_documented() -> None:
    text = (ROOT / "docs" / "guides" / "errors.md").read_text()
    assert STATUSES.keys() == CODES.keys()
    for code, status in STATUSES.items():
        assert f"| `{code}` | {status} |" in text, code
    for code, message in JOB_CODES.items():
        assert f"| `{code}` | {message} |" in text, code


def test_every_file_that_the_architecture_names_exists() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    for path in re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.(?:py|md|conf))`", text):
        assert (ROOT / path).exists(), path


def test_the_readme_names_only_targets_that_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"`make ([a-z-]+)", (ROOT / "README.md").read_text()):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
