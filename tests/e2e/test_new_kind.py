"""The guide to a new kind, done: one file and one name, in a copy of the domain."""

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.worlds import RunningWorld, darkroom, until_ended, world_of

pytestmark = pytest.mark.same_on_any_database

ROOT = Path(__file__).parent.parent.parent
GUIDE = (ROOT / "docs" / "guides" / "add-a-job-kind.md").read_text()
PACKAGES = (
    "adapters",
    "application",
    "cli",
    "contracts",
    "deploy",
    "read_models",
    "services",
    "simulator",
)


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningWorld]:
    """A world whose domain has the guide's kind, taken from the guide's own words."""
    source = tmp_path_factory.mktemp("extended")
    for package in PACKAGES:
        (source / package).symlink_to(ROOT / package)
    shutil.copytree(ROOT / "domain", source / "domain")
    kind, names = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    (source / "domain" / "job_kinds" / "video.py").write_text(kind)
    listed = source / "domain" / "job_kinds" / "__init__.py"
    imported, union = names.strip().split("\n\n")
    text = listed.read_text().replace(
        "from domain.job_kinds.infograph", f"{imported}\nfrom domain.job_kinds.infograph", 1
    )
    listed.write_text(re.sub(r"AnyJobKind = .*", union, text, count=1))
    with world_of(source, {}) as running:
        yield running


def told(pattern: str) -> str:
    """Return what the guide says there."""
    found = re.search(pattern, GUIDE, re.MULTILINE)
    assert found is not None, pattern
    return found[1]


def video(world: RunningWorld, **fields: Any) -> httpx.Response:
    """Ask for a video as the guide says, but for some fields."""
    body = json.loads(told(r"`POST /api/jobs` with `(.*?)`\."))
    with world.client() as client:
        return client.post("/api/jobs", json=body | {"input": body["input"] | fields})


def made_video(world: RunningWorld, **fields: Any) -> dict[str, Any]:
    answer = video(world, **fields)
    assert answer.status_code == 201, answer.text
    with world.client() as client:
        return until_ended(client, answer.json()["id"])


def test_a_new_kind_is_made_from_request_to_stored_film(extended: RunningWorld) -> None:
    with extended.client() as client:
        before = client.get("/api/credits").json()["available"]
        job = made_video(extended)
        assert (job["status"], job["kind"], job["price"]) == ("completed", "video", 2)
        assert client.get("/api/credits").json()["available"] == before - 2
    (film,) = job["artifacts"]
    assert (film["media_type"], film["width"], film["height"]) == ("video/mp4", 64, 48)
    assert film["url"].endswith(".mp4")
    whole = httpx.get(film["url"])
    assert whole.headers["content-type"] == "video/mp4"
    assert len(whole.content) == film["bytes"]
    part = httpx.get(film["url"], headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, b"ftyp")
    assert part.headers["content-range"] == f"bytes 4-7/{film['bytes']}"
    assert "a reef at dawn" in extended.simulator("GET", "prompts")


def test_it_is_created_from_the_command_line(extended: RunningWorld) -> None:
    create = shlex.split(told(r"^\.venv/bin/darkroom (jobs create .*)$"))
    job = extended.cli(*create)
    asked = {"prompt": "a reef at dawn", "seconds": 6}
    assert (job["status"], job["input"]) == ("completed", asked)
    wrong = ("--field", "seconds=six", "--field", "colour=red")
    refused = darkroom(extended.path, "jobs", "create", "--kind", "video", *wrong)
    assert refused.returncode == 2
    assert "seconds: must be JSON of the type integer" in refused.stderr
    assert "colour: video has no such field" in refused.stderr


@pytest.mark.parametrize("fault", ["truncated_file", "wrong_file", "bomb_file"])
def test_a_broken_film_or_none_at_all_ends_the_job_unpaid(
    extended: RunningWorld, fault: str
) -> None:
    with extended.client() as client:
        before = client.get("/api/credits").json()["available"]
        extended.fault(fault)
        job = made_video(extended, prompt=f"a {fault} film")
        assert (job["status"], job["error"]["code"]) == ("failed", "bad_result")
        assert client.get("/api/credits").json()["available"] == before
    stored = [path.suffix for path in (extended.path / "storage").rglob("*.*")]
    assert set(stored) <= {".mp4"}, "nothing was stored, and nothing is left of it"


def test_it_is_checked_described_and_priced(extended: RunningWorld) -> None:
    wrong = video(extended, prompt="")
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "prompt")
    with extended.client() as client:
        kinds = {each["kind"]: each for each in client.get("/api/job-kinds").json()["items"]}
        assert (kinds["video"]["title"], kinds["video"]["price"]) == ("Video", 2)
        assert kinds["video"]["media_types"] == ["video/mp4", "video/webm"]
        assert kinds["infograph"]["media_types"] == ["image/png", "image/jpeg", "image/webp"]
        schema = kinds["video"]["input_schema"]["$defs"]["Video"]["properties"]["seconds"]
        assert (schema["minimum"], schema["maximum"]) == (4, 8)
        schemas = client.get("/api/openapi.json").json()["components"]["schemas"]
        choices = [each["properties"]["kind"]["enum"] for each in schemas["CreateJob"]["oneOf"]]
        assert ["video"] in choices
        assert "seconds" in schemas["Video"]["properties"]


def test_a_world_without_it_refuses_it(client: httpx.Client) -> None:
    answer = client.post("/api/jobs", json={"kind": "video", "input": {"prompt": "x"}})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "kind")
