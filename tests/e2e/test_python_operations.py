"""Every method of the Python client's generated part answers as its types say, in a real world."""

import io
import zipfile
from typing import Any

import httpx
import pytest
from darkroom_client import Darkroom, Problem, models, operations
from darkroom_client.calls import Operation

from tests.support.python_client.operations import described
from tests.support.python_client.writing import read
from tests.support.recorded_calls import methods_of, record
from tests.support.waiting import until
from tests.support.worlds import RunningWorld

pytestmark = pytest.mark.same_on_any_database

OF_NOTIFICATIONS = "webhooks."  # tests/e2e/test_notifications.py calls these.


def test_each_operation_of_the_document_has_a_method() -> None:
    made = {name.lower() for name, each in vars(operations).items() if isinstance(each, Operation)}
    assert made == {each["operationId"] for _, _, each in described(read())}


async def test_every_method_answers_as_its_types_say(
    world: RunningWorld, client: httpx.Client
) -> None:
    del client  # Asked for: it resets what other tests switched.
    token = world.new_account("python-operations", 100)
    async with Darkroom(world.url, token) as user:
        called = record(user)
        done = await finish_a_job(user)
        await use_jobs(world, user, done)
        await use_infographs(world, user)
        await use_characters_and_funnels(world, user)
        await use_the_rest(user, done)
        async with Darkroom(world.url, world.world.tokens["operator"]) as operator:
            called |= await operate(operator)
        left = {each for each in methods_of(user) - called if not each.startswith(OF_NOTIFICATIONS)}
        assert not left


async def finish_a_job(user: Darkroom) -> models.Job:
    made = await user.jobs.create(kind="infograph", input=models.Infograph(prompt="typed"))
    done = await user.wait(made)
    assert (done.status, done.progress) == ("completed", 100)
    return done


async def one_that_fails(world: RunningWorld, user: Darkroom) -> str:
    world.fault("content_policy")
    made = await user.jobs.create(kind="infograph", input={"prompt": "refused"})
    failed = await user.wait(made)
    assert failed.error is not None
    assert failed.error.code == "content_policy"
    return failed.id


async def one_that_never_ends(world: RunningWorld, user: Darkroom) -> str:
    world.fault("never_ends")
    return (await user.jobs.create(kind="infograph", input={"prompt": "endless"})).id


async def use_jobs(world: RunningWorld, user: Darkroom, done: models.Job) -> None:
    assert (await user.jobs.show(done.id)).id == done.id
    assert done.id in {each.id for each in (await user.jobs.list(status="completed")).items}
    assert done.id in {each.id async for each in user.jobs.all(kind="infograph")}
    events = (await user.jobs.show_history(done.id)).items
    assert [each async for each in user.jobs.all_history(done.id)] == events
    assert {"JobRequested", "JobCompleted"} <= {each.type for each in events}
    lines = (await user.jobs.show_logs(done.id)).items
    assert [each async for each in user.jobs.all_logs(done.id)] == lines
    again = await user.jobs.retry(await one_that_fails(world, user), prefer="respond-async")
    assert (await user.wait(again)).retry_of is not None
    assert (await user.jobs.cancel(await one_that_never_ends(world, user))).status == "cancelled"
    step = await user.jobs.create(kind="funnel_step", input=models.FunnelStep(prompt="a text"))
    await user.wait(step)
    assert (await user.jobs.show_text(step.id)).text
    kinds = (await user.jobs.show_job_kinds()).items
    assert "infograph" in {each.kind for each in kinds}


async def use_infographs(world: RunningWorld, user: Darkroom) -> None:
    made = await user.infographs.create(prompt="listed", aspect_ratio="16:9", resolution="1K")
    infograph = made.infographs[0].id
    await user.wait(infograph)
    shown = await user.infographs.show_status(infograph, wait=1)
    assert (shown.status, shown.error) == ("completed", None)
    assert infograph in {each.id for each in await user.infographs.list(limit=5)}
    assert infograph in {each.id async for each in user.infographs.all(status="completed")}
    parts = user.infographs.bulk_actions_bytes(action="download", ids=[infograph])
    archive = b"".join([part async for part in parts])
    assert f"{infograph}.png" in zipfile.ZipFile(io.BytesIO(archive)).namelist()
    results = await user.infographs.bulk_actions(action="delete", ids=[infograph])
    assert [each.id for each in results.results] == [infograph]
    again = await user.infographs.retry(await one_that_fails(world, user))
    await user.wait(again)
    await user.infographs.delete(again.id)
    cancelled = await user.infographs.cancel(await one_that_never_ends(world, user))
    assert (cancelled.status, cancelled.error_code) == ("failed", "cancelled")


async def use_characters_and_funnels(world: RunningWorld, user: Darkroom) -> None:
    queued = await user.characters.draw("typed", name="Ada", description="a mathematician")
    await user.wait(queued.task_id)
    assert (await user.characters.show("typed")).status == "completed"
    world.fault("failed_text")
    started = await user.funnels.generate_all(project_id="typed", intake={"a": 1})
    failed = await ended_run(user, started.run_id)
    assert failed.status == "failed"
    again = await user.funnels.retry_failed(project_id="typed")
    assert (await ended_run(user, again.run_id)).status == "completed"
    status = await user.funnels.show_generation_status(project_id="typed")
    assert (status.is_generating, status.current_step) == (False, None)
    step = status.completed_steps[0]
    assert (await user.funnels.show_content(project_id="typed", step=step)).step == step
    with pytest.raises(Problem) as found:
        await user.funnels.cancel_run(again.run_id)
    assert found.value.code == "run_ended"


async def ended_run(user: Darkroom, run: str) -> models.Run:
    async def look() -> models.Run | None:
        found = await user.funnels.show_run(run)
        return found if found.status != "running" else None

    found: models.Run = await until(look, 30.0)
    return found


async def use_the_rest(user: Darkroom, done: models.Job) -> None:
    assert (await user.credits.show()).granted == 100
    entries = (await user.credits.list_entries(limit=100)).items
    assert [each async for each in user.credits.all_entries(limit=10)] == entries
    name = str(done.artifacts[0].url).rpartition("/")[2]
    assert b"".join([part async for part in user.artifacts.serve(name)]).startswith(b"\x89PNG")
    await user.artifacts.describe(name)
    assert (await user.streams.issue_ticket()).ticket
    frames = b"".join([part async for part in user.streams.stream_job(done.id)])
    assert b'"status":"completed"' in frames
    opened = user.streams.stream_account()
    assert (await anext(opened)).startswith(b"retry:")
    await opened.aclose()
    assert (await user.health.show_liveness()).status == "live"
    assert (await user.health.show_readiness()).status == "ready"
    with pytest.raises(Problem) as found:
        await user.provider.relay_webhook(done.id, **_forged())
    assert found.value.status in {400, 401, 404}
    with pytest.raises(Problem) as found:
        await anext(user.health.show_metrics())
    assert found.value.code == "forbidden"


def _forged() -> dict[str, Any]:
    return {"token": "forged", "attempt": "1", "request_id": "x", "status": "OK"}


async def operate(operator: Darkroom) -> set[str]:
    called = record(operator)
    issued = await operator.operators.issue_token(account="python-operated")
    granted = await operator.operators.grant_credits("python-operated", amount=3, reason="a test")
    assert granted.available == 3
    listed = (await operator.operators.list_tokens(account="python-operated")).items
    assert issued.id in {each.id for each in listed}
    await operator.operators.revoke_token(issued.id)
    metrics = b"".join([part async for part in operator.health.show_metrics()])
    assert b"# HELP" in metrics
    return called
