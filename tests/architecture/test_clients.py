"""The Python client: what is generated is what would be written now, and its packages build."""

import ast
import os
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from pathlib import Path

from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

from tests.architecture.sources import ROOT, nodes_of
from tests.support.python_client.writing import FOLDER, read, texts

PACKAGE = ROOT / "clients" / "python"


def test_the_generated_part_is_what_would_be_written_now() -> None:
    for name, text in texts(read()).items():
        assert (FOLDER / name).read_text() == text, f"{name} is stale: run `make docs`"


def test_the_client_has_the_projects_version() -> None:
    own, project = (
        tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        for folder in (PACKAGE, ROOT)
    )
    assert own["version"] == project["version"]
    assert own["requires-python"] == project["requires-python"]
    assert {each.split(">")[0] for each in own["dependencies"]} == {"httpx", "msgspec"}


def test_the_wheel_can_be_imported_elsewhere(tmp_path: Path) -> None:
    (wheel,) = WheelBuilder(str(PACKAGE)).build(directory=str(tmp_path), versions=["standard"])
    elsewhere = tmp_path / "elsewhere"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(elsewhere)
    assert (elsewhere / "darkroom_client" / "py.typed").exists()
    code = "import darkroom_client; print(darkroom_client.__file__)"
    libraries = sysconfig.get_path("purelib")
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        env={**os.environ, "PYTHONPATH": f"{elsewhere}{os.pathsep}{libraries}"},
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        timeout=60,
    )
    assert Path(done.stdout.strip()).is_relative_to(elsewhere)


def test_the_source_distribution_has_what_the_wheel_is_built_from(tmp_path: Path) -> None:
    (made,) = SdistBuilder(str(PACKAGE)).build(directory=str(tmp_path), versions=["standard"])
    with tarfile.open(made) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"pyproject.toml", "README.md", "PKG-INFO"} <= names
    sources = {f"darkroom_client/{each.name}" for each in FOLDER.iterdir() if each.is_file()}
    assert sources == {each for each in names if each.startswith("darkroom_client/")}


def test_the_client_imports_httpx_and_msgspec_only() -> None:
    allowed = sys.stdlib_module_names | {"httpx", "msgspec", "darkroom_client"}
    for path in FOLDER.glob("*.py"):
        for node in nodes_of(path):
            match node:
                case ast.Import(names=names):
                    found = {each.name.partition(".")[0] for each in names}
                case ast.ImportFrom(module=str(module)):
                    found = {module.partition(".")[0]}
                case _:
                    continue
            assert found <= allowed, f"{path.name} imports {found - allowed}"
