"""Characters, as seed 004 has them: several at once, each on its own, with its true status."""

import httpx
import pytest

from tests.support.waiting import eventually
from tests.support.worlds import RunningWorld

BODY = {"name": "Dursley", "description": "a large man with a moustache", "style": "ink"}


def draw(client: httpx.Client, character: str, **changes: str) -> httpx.Response:
    return client.post(f"/api/characters/{character}/image/", json={**BODY, **changes})


def until(client: httpx.Client, character: str, status: str) -> dict[str, object]:
    def look() -> dict[str, object] | None:
        document: dict[str, object] = client.get(
            f"/api/characters/{character}/image-status/"
        ).json()
        return document if document["status"] == status else None

    found: dict[str, object] = eventually(look)
    return found


def test_a_portrait_is_queued_generating_and_completed(
    world: RunningWorld, client: httpx.Client
) -> None:
    world.simulator("POST", "seconds", 1)
    try:
        asked = draw(client, "dursley")
        assert asked.status_code == 202
        task = asked.json()["task_id"]
        assert asked.json()["status"] == "queued"
        until(client, "dursley", "generating")
        refused = draw(client, "dursley")
        assert (refused.status_code, refused.json()["task_id"]) == (409, task)
    finally:
        world.simulator("POST", "seconds", 0.2)
    done = until(client, "dursley", "completed")
    assert (done["task_id"], done["error"]) == (task, None)
    assert httpx.get(str(done["image_url"])).content.startswith(b"\x89PNG")
    assert isinstance(done["metadata"], dict)
    assert done["metadata"]["provider"] == "simulator"
    assert draw(client, "dursley").status_code == 202, "a finished one can be drawn anew"


def test_several_characters_do_not_touch_each_other(
    world: RunningWorld, client: httpx.Client
) -> None:
    world.fault("content_policy")
    names = [f"several-{number}" for number in range(4)]
    tasks = {name: draw(client, name).json()["task_id"] for name in names}
    assert len(set(tasks.values())) == 4
    states = eventually(lambda: _all_ended(client, names))
    assert sorted(states.values()) == ["completed"] * 3 + ["failed"]
    failed = next(name for name, state in states.items() if state == "failed")
    shown = client.get(f"/api/characters/{failed}/image-status").json()
    assert "content checker" in shown["error"]
    assert "flagged" in shown["error"], "the provider's words about this input"
    assert shown["image_url"] is None


def _all_ended(client: httpx.Client, names: list[str]) -> dict[str, str] | None:
    states = {
        name: client.get(f"/api/characters/{name}/image-status").json()["status"] for name in names
    }
    return states if set(states.values()) <= {"completed", "failed"} else None


def test_a_character_that_was_never_asked_for_is_a_404(client: httpx.Client) -> None:
    assert client.get("/api/characters/nobody/image-status/").status_code == 404


@pytest.mark.parametrize("character", ["a.b", "a b", "é", "x" * 65])
def test_a_character_id_of_the_wrong_form_is_refused(client: httpx.Client, character: str) -> None:
    assert draw(client, character).status_code in {404, 422}


def test_a_missing_description_is_a_422_that_names_it(client: httpx.Client) -> None:
    answer = client.post("/api/characters/c/image/", json={"name": "n"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "description"


def test_one_accounts_character_is_not_anothers(world: RunningWorld, client: httpx.Client) -> None:
    draw(client, "shared-name")
    with world.client(world.new_account("artist", 2)) as other:
        assert other.get("/api/characters/shared-name/image-status/").status_code == 404
        assert draw(other, "shared-name").status_code == 202


def test_a_portrait_is_no_infograph(client: httpx.Client) -> None:
    task = draw(client, "no-infograph").json()["task_id"]
    assert client.get(f"/api/infographs/status/{task}/").status_code == 404
    assert client.post(f"/api/infographs/{task}/cancel/").status_code == 404
    assert client.get(f"/api/jobs/{task}").json()["kind"] == "character_image"
    until(client, "no-infograph", "completed")
