"""The front-end guide and the client's README: their code, run as it stands at a user's speed."""

import re
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulator.settings import SimulatorSettings
from tests.support.node import CLIENT, MODULES, ROOT, node, npm, set_up
from tests.support.worlds import RunningWorld

GUIDE = ROOT / "docs" / "guides" / "front-end.md"
DEFAULT_SECONDS = SimulatorSettings().simulator_seconds
LINES_MAX = 40
STRICT = ["--strict", "--noEmit", "--target", "es2022", "--module", "nodenext"]


def blocks(path: Path, language: str) -> list[str]:
    found: list[str] = re.findall(rf"```{language}\n(.*?)```", path.read_text(), re.DOTALL)
    return found


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of somebody's own in which the package is installed as `npm pack` makes it."""
    set_up()
    folder = tmp_path_factory.mktemp("project")
    (folder / "package.json").write_text('{"type": "module", "private": true}')
    package = npm("pack", "--silent", "--pack-destination", folder).strip()
    with tarfile.open(folder / package) as packed:
        packed.extractall(folder, filter="data")
    modules = folder / "node_modules"
    modules.mkdir()
    (folder / "package").rename(modules / "darkroom-client")
    (modules / "@types").symlink_to(MODULES / "@types")
    (modules / "undici-types").symlink_to(MODULES / "undici-types")
    for name in ("document.ts", "front_end.ts", "relay.ts"):
        shutil.copy(CLIENT / "tests" / name, folder)
    _write(folder)
    return folder


def _write(folder: Path) -> None:
    card, all_of_it, back_end, page = blocks(GUIDE, "ts")
    (readme,) = blocks(CLIENT / "README.md", "ts")
    (folder / "card.ts").write_text(card)
    (folder / "all.ts").write_text("".join(card.splitlines(keepends=True)[:3]) + all_of_it)
    (folder / "back_end.ts").write_text(back_end)
    (folder / "page.ts").write_text(page)
    (folder / "readme.ts").write_text(readme)
    (folder / "front-end.js").write_text(*blocks(GUIDE, "js"))


@pytest.fixture
def slow(world: RunningWorld, client: object) -> Iterator[dict[str, str]]:
    """The world as it is for who just started it; its address and token for Node."""
    del client
    world.simulator("POST", "seconds", DEFAULT_SECONDS)
    yield {"DARKROOM_URL": world.url, "DARKROOM_TOKEN": world.world.tokens["user"]}
    world.simulator("POST", "seconds", float(world.environment["SIMULATOR_SECONDS"]))


def test_the_front_end_has_at_most_forty_lines() -> None:
    (code,) = blocks(GUIDE, "js")
    assert len(code.splitlines()) <= LINES_MAX


def test_the_package_holds_the_client_and_nothing_else(project: Path) -> None:
    files = {each.name for each in (project / "node_modules" / "darkroom-client").iterdir()}
    assert files == {"package.json", "README.md", "dist"}


def test_what_is_shown_is_typed_for_who_installs_the_package(project: Path) -> None:
    files = [f"{name}.ts" for name in ("card", "all", "back_end", "page", "readme")]
    checked = node(MODULES / "typescript" / "bin" / "tsc", *STRICT, *files, folder=project)
    assert checked.returncode == 0, checked.stdout


def test_every_line_of_the_guide_and_of_the_readme_works(
    project: Path, slow: dict[str, str]
) -> None:
    done = node("--test", "--test-reporter=spec", "front_end.ts", folder=project, more=slow)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
