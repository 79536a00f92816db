"""The guide to a new kind, done: one file and one name, in a copy of the domain."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.worlds import RunningWorld, until_ended, world_of

pytestmark = pytest.mark.same_on_any_database

ROOT = Path(__file__).parent.parent.parent
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
    guide = (ROOT / "docs" / "guides" / "add-a-job-kind.md").read_text()
    kind, names = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    (source / "domain" / "job_kinds" / "thumbnail.py").write_text(kind)
    listed = source / "domain" / "job_kinds" / "__init__.py"
    imported, union = names.strip().split("\n\n")
    text = listed.read_text().replace(
        "from domain.job_kinds.infograph", f"{imported}\nfrom domain.job_kinds.infograph", 1
    )
    listed.write_text(re.sub(r"AnyJobKind = .*", union, text, count=1))
    with world_of(source, {}) as running:
        yield running


def test_a_new_kind_is_made_from_request_to_stored_image(extended: RunningWorld) -> None:
    with extended.client() as client:
        before = client.get("/api/credits").json()["available"]
        body = {"kind": "thumbnail", "input": {"subject": "a reef"}}
        answer = client.post("/api/jobs", json=body)
        assert answer.status_code == 201, answer.text
        job = until_ended(client, answer.json()["id"])
        assert (job["status"], job["kind"], job["price"]) == ("completed", "thumbnail", 2)
        assert client.get("/api/credits").json()["available"] == before - 2
        assert httpx.get(job["artifacts"][0]["url"]).content.startswith(b"\x89PNG")
    assert "Thumbnail: a reef" in extended.simulator("GET", "prompts")


def test_it_is_checked_described_and_priced(extended: RunningWorld) -> None:
    with extended.client() as client:
        wrong = client.post("/api/jobs", json={"kind": "thumbnail", "input": {"subject": ""}})
        assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "subject")
        kinds = {each["kind"]: each for each in client.get("/api/job-kinds").json()["items"]}
        assert (kinds["thumbnail"]["title"], kinds["thumbnail"]["price"]) == ("Thumbnail", 2)
        schemas = client.get("/api/openapi.json").json()["components"]["schemas"]
        choices = [each["properties"]["kind"]["enum"] for each in schemas["CreateJob"]["oneOf"]]
        assert ["thumbnail"] in choices
        assert "subject" in schemas["Thumbnail"]["properties"]


def test_a_world_without_it_refuses_it(client: httpx.Client) -> None:
    answer = client.post("/api/jobs", json={"kind": "thumbnail", "input": {"subject": "x"}})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "kind")
