"""`darkroom demo`: a world on free ports, one thing made in it, every event as it happens."""

import asyncio
import shlex
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import click
import httpx

from cli.connection import connected
from cli.events import follow_job
from cli.front_door import ask
from cli.output import FAILED, runs, say, stop_with
from cli.running import running
from cli.up import settings_for
from cli.world import World
from domain.statuses import JobStatus

PREFIX = "darkroom-demo-"
DEMO_SECONDS_MAX = 120.0
FOLLOW_SECONDS = 0.3
KINDS = click.Choice(["infograph", "character", "funnel"])
INTAKE = {"product": "a course about coral reefs", "audience": "divers"}

Make = Callable[[World, httpx.AsyncClient, str], Awaitable[str]]


@click.command()
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep the world here. Default: a new folder, of which only the picture is kept.",
)
@click.option("--prompt", default="Why coral reefs matter", show_default=True)
@click.option("--kind", type=KINDS, default="infograph", show_default=True)
@runs
async def demo(data_dir: Path | None, prompt: str, kind: str) -> None:
    """Make one thing from request to result: an infograph with a blog page as its source, a
    character's portrait, or the seven texts of a funnel.
    """
    settings_for("127.0.0.1", 0)
    folder = data_dir or Path(tempfile.mkdtemp(prefix=PREFIX))
    is_ours, result = data_dir is None, ""
    try:
        result = await _result(folder, kind, prompt)
    finally:
        _tidy(folder, is_ours=is_ours, has_failed=not result)
    say("the result:")
    click.echo(result)


async def _result(folder: Path, kind: str, prompt: str) -> str:
    """Make one thing in a world that runs as long as this; return the text, or the file's path."""
    say(f"the world's folder: {folder}")
    async with running(folder, "127.0.0.1", 0, tell=say) as (world, _):
        say(f"a world is running at {world.url} (provider: {world.provider})")
        headers = {"Authorization": f"Token {world.tokens['user']}"}
        client = httpx.AsyncClient(base_url=world.url, headers=headers, timeout=30.0)
        try:
            async with asyncio.timeout(DEMO_SECONDS_MAX), client:
                return await MAKES[kind](world, client, prompt)
        except TimeoutError:
            stop_with(FAILED, f"darkroom: the result took more than {DEMO_SECONDS_MAX:g} s")


def _tidy(folder: Path, *, is_ours: bool, has_failed: bool) -> None:
    """Say where things were left, and of a folder that was made for this keep the files alone."""
    if not is_ours:
        say(f"the world is kept: `darkroom up --data-dir {shlex.quote(str(folder))}` goes on in it")
    elif has_failed and (folder / "logs").exists():
        say(f"kept to look at: {folder} (its logs are in {folder / 'logs'})")
    else:
        _remove_all_but_artifacts(folder)


def _remove_all_but_artifacts(folder: Path) -> None:
    storage = folder / "storage"
    kept = storage / "artifacts"
    if not (kept.is_dir() and any(kept.iterdir())):
        shutil.rmtree(folder)
        return
    for path in (*folder.iterdir(), *storage.iterdir()):
        if path.is_dir() and path not in {storage, kept}:
            shutil.rmtree(path)
        elif path.is_file():
            path.unlink()
    say(f"the world is removed; only the picture is kept, in {folder}")


async def _infograph(world: World, client: httpx.AsyncClient, prompt: str) -> str:
    body = {"prompt": prompt, "aspect_ratio": "16:9"}
    if world.provider == "simulator":
        body["blog_url"] = f"https://{world.simulator_host}/pages/blog"
    created = await _post(client, "/api/infographs/create/", body)
    return await _picture(world, client, created["infographs"][0]["id"])


async def _character(world: World, client: httpx.AsyncClient, prompt: str) -> str:
    body = {"name": "Dursley", "description": f"a man with hardly any neck. {prompt}"}
    asked = await _post(client, "/api/characters/dursley/image/", body)
    return await _picture(world, client, asked["task_id"])


async def _picture(world: World, client: httpx.AsyncClient, job_id: str) -> str:
    """Follow a job to its end; return the path of its picture."""
    async with connected(world.folder) as connection:
        async for line in follow_job(connection, job_id):
            say(f"  {line}")
    job = await ask(client, "GET", f"/api/jobs/{job_id}?wait=20")
    if job["status"] != JobStatus.COMPLETED:
        reason = (job["error"] or {}).get("message", "nobody said why")
        stop_with(FAILED, f"darkroom: the job {job['status']}: {reason}")
    artifact = job["artifacts"][0]
    say(f"{artifact['width']} x {artifact['height']} {artifact['media_type']}, 1 credit spent")
    return str(world.folder / "storage" / "artifacts" / artifact["url"].rpartition("/")[2])


async def _funnel(_world: World, client: httpx.AsyncClient, prompt: str) -> str:
    """Write the seven texts; return the first of them."""
    body = {"projectId": "demo", "intake": {**INTAKE, "idea": prompt}}
    await _post(client, "/api/generate/auto-generate-all", body)
    shown: dict[int, str] = {}
    while True:
        status = await ask(client, "GET", "/api/generate/generation-status?projectId=demo")
        for each in status["progress"]:
            if shown.get(each["step"]) != each["status"]:
                shown[each["step"]] = each["status"]
                say(f"  step {each['step']:>2}  {each['status']:<12} {each['stepName']}")
        if not status["isGenerating"]:
            break
        await asyncio.sleep(FOLLOW_SECONDS)
    if status["failedSteps"]:
        failed = ", ".join(f"{each['step']} ({each['error']})" for each in status["failedSteps"])
        stop_with(FAILED, f"darkroom: steps failed: {failed}")
    say(f"{len(status['completedSteps'])} texts, as many credits spent")
    text = await ask(client, "GET", "/api/generate/content?projectId=demo&step=2")
    return str(text["content"])


async def _post(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> Any:
    say(f"POST {path}")
    return await ask(client, "POST", path, json=body)


MAKES: dict[str, Make] = {"infograph": _infograph, "character": _character, "funnel": _funnel}
