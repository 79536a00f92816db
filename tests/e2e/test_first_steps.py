"""What somebody meets first: the front door's page, commands for people, a demo that tidies up."""

import hashlib
import re
from base64 import b64encode

import httpx
import pytest

from tests.support.servers import folder
from tests.support.waiting import eventually
from tests.support.worlds import RunningWorld, create, darkroom, until_ended

pytestmark = pytest.mark.same_on_any_database


def test_a_browser_gets_a_page_that_needs_nothing_from_elsewhere(world: RunningWorld) -> None:
    answer = httpx.get(f"{world.url}/", headers={"Accept": "text/html,application/xhtml+xml"})
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["vary"] == "Accept"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    (style,) = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in policy
    assert not re.findall(r"(?:src|href)=\"(?!/)", answer.text)
    for path in re.findall(r'href="(/(?:health|api)[^"]*)"', answer.text):
        assert httpx.get(f"{world.url}{path}").is_success, path
    assert f"{world.url}/api/infographs/create/" in answer.text


def test_a_program_gets_the_links_as_json(world: RunningWorld) -> None:
    links = httpx.get(world.url).json()["links"]
    assert httpx.get(links["openapi"]).json()["openapi"].startswith("3.1")
    assert httpx.get(links["ready"]).is_success


@pytest.mark.parametrize("who", ["a member", "a stranger"])
def test_a_problems_request_id_is_found_in_one_line_of_the_log(
    world: RunningWorld, who: str
) -> None:
    headers = {"Authorization": f"Token {world.world.tokens['user']}"} if who == "a member" else {}
    answer = httpx.post(f"{world.url}/api/jobs", json={"kind": "no"}, headers=headers)
    request_id = answer.json()["request_id"]
    log = world.path / "logs" / "api.log"

    def lines() -> list[str]:
        return [line for line in log.read_text().splitlines() if request_id in line]

    (line,) = eventually(lines)
    assert f'"code": "{answer.json()["code"]}"' in line
    assert ('"account": "demo"' in line) == (who == "a member")


def test_an_operator_lists_an_accounts_jobs_without_what_was_written(
    world: RunningWorld, client: httpx.Client
) -> None:
    job = create(client, "a prompt that only its owner reads")
    until_ended(client, job)
    shown = world.cli("jobs", "list", "--account", "demo", "--limit", "1")
    assert (shown["id"], shown["account"], shown["status"]) == (job, "demo", "completed")
    assert shown["created_at"].endswith("Z")
    listing = ("jobs", "list", "--account", "demo", "--status", "completed")
    done = darkroom(world.path, *listing, **world.environment)
    header, first, *_ = done.stdout.splitlines()
    assert header.split() == ["ID", "KIND", "STATUS", "CREATED", "AT", "ERROR"]
    assert job in first
    assert "only its owner" not in done.stdout
    assert not world.cli("jobs", "list", "--account", "nobody")


def test_a_failed_job_is_retried_and_deleted_from_the_command_line(
    world: RunningWorld, client: httpx.Client
) -> None:
    world.fault("content_policy")
    failed = darkroom(world.path, "jobs", "create", "reefs", "--wait")
    assert failed.returncode == 1, failed.stderr
    assert "the job failed: " in failed.stderr
    job = world.cli("jobs", "list", "--limit", "1")["id"]
    again = world.cli("jobs", "retry", job, "--wait", "--key", f"again-{job}")
    assert (again["retry_of"], again["status"]) == (job, "completed")
    assert world.cli("jobs", "retry", job, "--key", f"again-{job}")["id"] == again["id"]
    assert world.cli("jobs", "delete", again["id"]) == {"id": again["id"], "deleted": True}
    assert client.get(f"/api/jobs/{again['id']}").status_code == 404


def test_a_request_from_the_command_line_can_be_repeated_under_its_key(world: RunningWorld) -> None:
    given = ("jobs", "create", "atolls", "--key", "atolls-once")
    assert world.cli(*given)["id"] == world.cli(*given, "--wait")["id"]


def test_a_run_is_made_shown_and_read_from_the_command_line(world: RunningWorld) -> None:
    with folder() as path:
        (path / "intake.json").write_text('{"idea": "reefs"}')
        given = ("runs", "create", "by-command", "--intake-file", str(path / "intake.json"))
        run = world.cli(*given, "--wait")
    assert run["status"] == "completed"
    assert world.cli("runs", "show", run["id"])["id"] == run["id"]
    assert world.cli("runs", "list", "--account", "demo", "--limit", "1")["id"] == run["id"]
    assert world.cli("runs", "text", "by-command", "2")["content"]
    assert darkroom(world.path, "runs", "cancel", run["id"]).returncode == 4
    assert darkroom(world.path, "runs", "retry", "by-command").returncode == 4
