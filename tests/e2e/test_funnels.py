"""Funnels, as seed 003 has them: seven texts, one after the other, each kept once it is there."""

from typing import Any

import httpx
import pytest

from tests.support.waiting import eventually
from tests.support.worlds import RunningWorld

STEPS = [2, 3, 5, 8, 9, 11, 0]
NAMES = {2: "Offer", 3: "Deck Structure", 5: "Enrollment Pages", 0: "Marketing Profile"}
INTAKE = {"product": "a course about reefs", "audience": "divers"}


def generate(client: httpx.Client, project: str, **more: Any) -> httpx.Response:
    body = {"projectId": project, "intake": INTAKE, **more}
    return client.post("/api/generate/auto-generate-all", json=body)


def status(client: httpx.Client, project: str) -> dict[str, Any]:
    answer = client.get("/api/generate/generation-status", params={"projectId": project})
    assert answer.status_code == 200
    document: dict[str, Any] = answer.json()
    return document


def until_idle(client: httpx.Client, project: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found = status(client, project)
        return None if found["isGenerating"] else found

    found: dict[str, Any] = eventually(look)
    return found


def check_text(client: httpx.Client, job: str) -> None:
    """A text's address answers a document, or the text itself to who asks for a text."""
    (artifact,) = client.get(f"/api/jobs/{job}").json()["artifacts"]
    document = client.get(artifact["url"])
    assert document.json()["media_type"] == artifact["media_type"] == "text/markdown"
    for asked in ("text/markdown", "text/*;q=0.5", "application/xml, text/plain"):
        text = client.get(artifact["url"], headers={"Accept": asked})
        assert text.headers["content-type"] == "text/markdown; charset=utf-8"
        assert text.text == document.json()["text"]
        assert (text.headers["vary"], len(text.content)) == ("Accept", artifact["bytes"])
    page = client.get(artifact["url"], headers={"Accept": "text/html, */*;q=0.8"})
    assert page.headers["content-type"] == "application/json"


def test_all_texts_of_a_project_are_written_one_after_the_other(
    world: RunningWorld, client: httpx.Client
) -> None:
    asked = generate(client, "whole", intakeId="i-1")
    assert asked.status_code == 202
    assert asked.json()["projectId"] == "whole"
    run = asked.json()["runId"]
    assert client.get("/api/credits").json()["held"] >= 1
    found = eventually(lambda: _started(client, "whole"))
    assert found.keys() == {
        *("isGenerating", "currentStep", "completedSteps"),
        *("failedSteps", "progress", "startedAt"),
    }
    assert [each["step"] for each in found["progress"]] == STEPS
    done = until_idle(client, "whole")
    assert (done["completedSteps"], done["failedSteps"]) == (STEPS, [])
    assert done["currentStep"] is None
    for each in done["progress"]:
        assert each.keys() == {"step", "stepName", "status", "completedAt"}
        assert each["stepName"] == NAMES.get(each["step"], each["stepName"])
    shown = client.get(f"/api/runs/{run}").json()
    assert (shown["status"], shown["intake_id"]) == ("completed", "i-1")
    check_text(client, shown["steps"][0]["job_id"])
    assert shown["regeneration_count"] == 0
    began = [each["started_at"] for each in shown["steps"]]
    assert began == sorted(began)
    own = world.cli("events", "list", "--boundary", "run", "--id", run)
    assert [each["type"] for each in own].count("RunStepStarted") == 7
    assert own[-1]["type"] == "RunCompleted"


def _started(client: httpx.Client, project: str) -> dict[str, Any] | None:
    found = status(client, project)
    return found if found["currentStep"] is not None else None


def test_content_of_a_finished_step_is_readable_while_others_run(
    world: RunningWorld, client: httpx.Client
) -> None:
    world.simulator("POST", "seconds", 0.6)
    try:
        generate(client, "reading")
        eventually(lambda: 2 in status(client, "reading")["completedSteps"])
        text = client.get("/api/generate/content?projectId=reading&step=2")
        assert text.status_code == 200
        assert text.json().keys() == {"step", "stepName", "content", "completedAt"}
        assert text.json()["content"].startswith("# ")
        assert status(client, "reading")["isGenerating"]
        assert client.get("/api/generate/content?projectId=reading&step=0").status_code == 404
    finally:
        world.simulator("POST", "seconds", 0.2)
    until_idle(client, "reading")


def test_a_later_step_builds_on_what_an_earlier_one_wrote(
    world: RunningWorld, client: httpx.Client
) -> None:
    generate(client, "builds")
    until_idle(client, "builds")
    offer = client.get("/api/generate/content?projectId=builds&step=2").json()["content"]
    prompts = world.simulator("GET", "prompts")
    assert any(offer[:60] in prompt and "presentation" in prompt for prompt in prompts)
    assert any(INTAKE["product"] in prompt for prompt in prompts)


def test_a_failed_step_stops_no_other_and_is_retried_alone(
    world: RunningWorld, client: httpx.Client
) -> None:
    spent = client.get("/api/credits").json()["spent"]
    world.fault("failed_text")
    generate(client, "partial")
    done = until_idle(client, "partial")
    assert [each["step"] for each in done["failedSteps"]] == [2]
    assert "overloaded" in done["failedSteps"][0]["error"]
    assert done["completedSteps"] == STEPS[1:]
    assert client.get("/api/credits").json()["spent"] == spent + 6
    kept = client.get("/api/generate/content?projectId=partial&step=3").json()
    run = client.get(f"/api/runs/{_run_of(client, 'partial')}").json()
    alone = client.post(f"/api/jobs/{run['steps'][0]['job_id']}/retry")
    assert (alone.status_code, "retry-failed" in alone.json()["detail"]) == (409, True)
    again = client.post("/api/generate/retry-failed", json={"projectId": "partial"})
    assert again.status_code == 202, again.text
    held = client.get(f"/api/runs/{again.json()['runId']}").json()
    assert [each["step"] for each in held["steps"] if each["status"] != "completed"] == [2]
    done = until_idle(client, "partial")
    assert (done["completedSteps"], done["failedSteps"]) == (STEPS, [])
    assert client.get("/api/credits").json()["spent"] == spent + 7
    assert client.get("/api/generate/content?projectId=partial&step=3").json() == kept
    run = client.get(f"/api/runs/{again.json()['runId']}").json()
    assert (run["status"], run["regeneration_count"]) == ("completed", 0)


def _run_of(client: httpx.Client, project: str) -> str:
    jobs = client.get("/api/jobs?kind=funnel_step").json()["items"]
    return str(next(job["run_id"] for job in jobs if job["input"]["project_id"] == project))


def test_regenerating_counts_up(client: httpx.Client) -> None:
    for count in range(2):
        run = generate(client, "again").json()["runId"]
        until_idle(client, "again")
        assert client.get(f"/api/runs/{run}").json()["regeneration_count"] == count


def test_a_second_run_while_one_is_active_is_a_409_with_its_id(client: httpx.Client) -> None:
    run = generate(client, "busy").json()["runId"]
    refused = generate(client, "busy")
    assert refused.status_code == 409
    assert (refused.json()["code"], refused.json()["runId"]) == ("run_active", run)
    early = client.post("/api/generate/retry-failed", json={"projectId": "busy"})
    assert (early.status_code, early.json()["code"]) == (409, "run_active")
    until_idle(client, "busy")


def test_a_cancelled_run_gives_back_what_is_unused_and_keeps_what_succeeded(
    world: RunningWorld,
) -> None:
    with world.client(world.new_account("canceller", 7)) as client:
        world.simulator("POST", "seconds", 0.6)
        try:
            run = generate(client, "stopped").json()["runId"]
            eventually(lambda: 2 in status(client, "stopped")["completedSteps"])
            cancelled = client.post(f"/api/runs/{run}/cancel")
            assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
            assert client.post(f"/api/runs/{run}/cancel").status_code == 200
        finally:
            world.simulator("POST", "seconds", 0.2)
        eventually(lambda: client.get("/api/credits").json()["held"] == 0)
        balance = client.get("/api/credits").json()
        done = status(client, "stopped")
        assert balance["spent"] == len(done["completedSteps"]) < 7
        assert balance["available"] + balance["spent"] == 7
        assert client.get("/api/generate/content?projectId=stopped&step=2").status_code == 200
        retried = client.post("/api/generate/retry-failed", json={"projectId": "stopped"})
        assert retried.status_code == 202
        assert until_idle(client, "stopped")["completedSteps"] == STEPS
        assert client.get("/api/credits").json()["spent"] == 7


def test_a_run_that_cannot_be_paid_whole_is_not_begun(world: RunningWorld) -> None:
    with world.client(world.new_account("poor-project", 6)) as client:
        refused = generate(client, "unpaid")
        assert (refused.status_code, refused.json()["needed"]) == (402, 7)
        assert client.get("/api/credits").json()["held"] == 0
        assert status(client, "unpaid")["progress"] == []


def test_an_unknown_project_is_idle(client: httpx.Client) -> None:
    assert status(client, "no-such-project") == {
        "isGenerating": False,
        "currentStep": None,
        "completedSteps": [],
        "failedSteps": [],
        "progress": [],
        "startedAt": None,
    }
    retried = client.post("/api/generate/retry-failed", json={"projectId": "no-such-project"})
    assert retried.status_code == 404
    assert client.get("/api/generate/content?projectId=no-such-project&step=2").status_code == 404


@pytest.mark.parametrize(
    ("steps", "code"), [([3], "step_not_failed"), ([4], "invalid"), ([], "invalid")]
)
def test_only_failed_steps_can_be_retried(
    client: httpx.Client, steps: list[int], code: str
) -> None:
    if not status(client, "fine")["completedSteps"]:
        generate(client, "fine")
        until_idle(client, "fine")
    body = {"projectId": "fine", "steps": steps}
    answer = client.post("/api/generate/retry-failed", json=body)
    assert (answer.status_code in {409, 422}, answer.json()["code"]) == (True, code)


def test_an_intake_over_64_kilobytes_is_a_413(client: httpx.Client) -> None:
    answer = generate(client, "large", intake={"text": "x" * 65_536})
    assert answer.status_code == 413
    assert status(client, "large")["progress"] == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"projectId": "a b", "intake": {"a": 1}},
        {"projectId": "p"},
        {"projectId": "p", "intake": {}},
    ],
)
def test_a_wrong_request_is_a_422(client: httpx.Client, body: dict[str, Any]) -> None:
    assert client.post("/api/generate/auto-generate-all", json=body).status_code == 422


def test_one_key_is_one_run(client: httpx.Client) -> None:
    body = {"projectId": "keyed", "intake": INTAKE}
    headers = {"Idempotency-Key": "run-1"}
    path = "/api/generate/auto-generate-all"
    first = client.post(path, json=body, headers=headers)
    again = client.post(path, json=body, headers=headers)
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"
    other = client.post(path, json={**body, "intake": "other"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    until_idle(client, "keyed")


def test_another_accounts_run_is_not_there(world: RunningWorld, client: httpx.Client) -> None:
    run = generate(client, "mine").json()["runId"]
    with world.client(world.new_account("stranger", 1)) as other:
        assert other.get(f"/api/runs/{run}").status_code == 404
        assert other.post(f"/api/runs/{run}/cancel").status_code == 404
        assert status(other, "mine")["progress"] == []
    until_idle(client, "mine")
