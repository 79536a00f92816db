"""Shows runs: as documents, as seed 003's generation status, and the texts they wrote."""

from typing import Any

from litestar import get
from litestar.params import FromPath, FromQuery

from adapters.http_server import AnyRequest
from contracts.ids import AccountId, BadId, JobId, RunId, run_id
from domain.refusals import JOB_CODES, Refused
from read_models import resources, runs
from read_models.jobs import Job
from read_models.runs import Run, ShownStep
from services.api.authentication import caller_of
from services.api.dependencies import Api, api_of
from services.api.documents import estimate_of, time_of

FAILED = {"failed", "cancelled"}


@get("/runs/{id:str}")
async def show_run(request: AnyRequest, id: FromPath[str]) -> dict[str, Any]:  # noqa: A002
    """One run with its steps."""
    api = api_of(request)
    return await run_document(api, await run_of(api, caller_of(request).account_id, id))


@get("/generate/generation-status")
async def show_generation_status(
    request: AnyRequest,
    projectId: FromQuery[str],  # noqa: N803 - the seed's name.
) -> dict[str, Any]:
    """The newest run of a project, in seed 003's shape. An unknown project is idle."""
    api = api_of(request)
    run = await newest_run(api, caller_of(request).account_id, projectId)
    steps = run.steps if run is not None else ()
    current = next((each.step for each in steps if each.status == "in_progress"), None)
    return {
        "isGenerating": run is not None and run.status == "running",
        "currentStep": current,
        "completedSteps": [each.step for each in steps if each.status == "completed"],
        "failedSteps": [
            {"step": each.step, "error": await _error(api, run, each)}
            for each in steps
            if run is not None and each.status in FAILED
        ],
        "progress": [await _progress(api, run, each) for each in steps if run is not None],
        "startedAt": time_of(run.started_at) if run is not None else None,
    }


@get("/generate/content")
async def show_content(
    request: AnyRequest,
    projectId: FromQuery[str],  # noqa: N803 - the seed's name.
    step: FromQuery[int],
) -> dict[str, Any]:
    """The text of a finished step, readable while others run. 404 until it is finished."""
    api = api_of(request)
    run = await newest_run(api, caller_of(request).account_id, projectId)
    found = next((each for each in run.steps if each.step == step), None) if run else None
    if run is None or found is None or found.status != "completed":
        raise Refused("not_found", "there is no finished text of this step")
    job = (await api.jobs_by_id([JobId(found.job_id)])).get(JobId(found.job_id))
    return {
        "step": found.step,
        "stepName": found.name,
        "content": await text_of(api, job),
        "completedAt": time_of(found.ended_at) if found.ended_at is not None else None,
    }


@get("/jobs/{id:str}/text")
async def show_text(request: AnyRequest, id: FromPath[str]) -> dict[str, Any]:  # noqa: A002
    """The text that a job wrote. 404 when it wrote none."""
    api = api_of(request)
    job = await api.job_of(caller_of(request).account_id, id)
    return {"text": await text_of(api, job), "media_type": job.artifacts[0].media_type}


async def text_of(api: Api, job: Job | None) -> str:
    texts = [each.text for each in job.artifacts if each.text] if job is not None else []
    if job is None or not texts or job.hidden:
        raise Refused("not_found", "there is no text")
    return await api.vault.unseal_text(job.account_id, texts[0]) or ""


async def newest_run(api: Api, account: AccountId, project: str) -> Run | None:
    """Return the newest run of a project, None when there never was one."""

    def look(connection: Any) -> Run | None:
        found = resources.find(connection, account, f"project:{project}")
        return runs.find(connection, RunId(found.newest)) if found is not None else None

    return await api.newest_of(account, look)


async def run_of(api: Api, account: AccountId, text: str) -> Run:
    """Return the account's run; raise Refused `not_found` for any other."""
    try:
        wanted = run_id(text)
    except BadId:
        raise Refused("not_found", "there is no such run in this account") from None
    run = await api.newest_of(account, lambda connection: runs.find(connection, wanted))
    if run is None or run.account_id != account:
        raise Refused("not_found", "there is no such run in this account")
    return run


async def run_document(api: Api, run: Run) -> dict[str, Any]:
    resource = await api.database.read(
        lambda connection: resources.find(connection, run.account_id, f"project:{run.project_id}")
    )
    return {
        "id": run.run_id,
        "project_id": run.project_id,
        "intake_id": run.intake_id,
        "status": run.status,
        "steps": [await _step_document(api, run, each) for each in run.steps],
        "regeneration_count": max(resource.times - 1, 0) if resource is not None else 0,
        "started_at": time_of(run.started_at),
        "last_generated_at": _last_generated_at(run),
        "eta_seconds": await _eta_seconds(api, run),
        "as_of": api.as_of(),
    }


async def _step_document(api: Api, run: Run, step: ShownStep) -> dict[str, Any]:
    failed = step.status in FAILED
    return {
        "step": step.step,
        "name": step.name,
        "status": step.status,
        "job_id": step.job_id,
        "error": {"code": step.code, "message": await _error(api, run, step)} if failed else None,
        "started_at": time_of(step.started_at) if step.started_at is not None else None,
        "completed_at": time_of(step.ended_at) if step.ended_at is not None else None,
    }


async def _progress(api: Api, run: Run, step: ShownStep) -> dict[str, Any]:
    failed = step.status in FAILED
    item: dict[str, Any] = {
        "step": step.step,
        "stepName": step.name,
        "status": "failed" if failed else step.status,
    }
    if failed:
        item["error"] = await _error(api, run, step)
    if step.status == "completed" and step.ended_at is not None:
        item["completedAt"] = time_of(step.ended_at)
    return item


async def _error(api: Api, run: Run | None, step: ShownStep) -> str:
    told = await api.vault.unseal_text(run.account_id, step.message) if run is not None else None
    return told or JOB_CODES.get(step.code or "", "The step failed.")


def _last_generated_at(run: Run) -> str | None:
    ended = [each.ended_at for each in run.steps if each.status == "completed" and each.ended_at]
    return time_of(max(ended)) if ended else None


async def _eta_seconds(api: Api, run: Run) -> int | None:
    """What is left of the step under way, and as much for each that waits; null without history."""
    if run.status != "running":
        return None
    current = next((each for each in run.steps if each.status == "in_progress"), None)
    found = await api.jobs_by_id([JobId(current.job_id)]) if current is not None else {}
    job: Job | None = next(iter(found.values()), None)
    waiting = sum(each.status == "pending" for each in run.steps)
    if job is None or (left := estimate_of(job)["eta_seconds"]) is None:
        return None
    return int(left + waiting * (job.expected_p50 or 0) / 1_000_000)
