"""`darkroom demo`: a world on free ports, one infograph, every event as it happens."""

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import click
import httpx

from cli.connection import connected
from cli.events import follow_job
from cli.output import FAILED, runs, say, stop_with
from cli.running import running
from cli.up import check_provider
from cli.world import World

DEMO_SECONDS_MAX = 120.0


@click.command()
@click.option("--data-dir", default=None, help="Keep the world here. Default: a new folder.")
@click.option("--prompt", default="Why coral reefs matter", show_default=True)
@runs
async def demo(data_dir: str | None, prompt: str) -> None:
    """Make one infograph, with a blog page as its source, from request to stored image."""
    check_provider()
    folder = Path(data_dir or tempfile.mkdtemp(prefix="darkroom-demo-"))
    async with running(folder, "127.0.0.1", 0, tell=say, log_folder=folder / "logs") as (world, _):
        say(f"a world is running at {world.url} (provider: {world.provider})")
        async with asyncio.timeout(DEMO_SECONDS_MAX):
            job = await _make(world, prompt)
    if job["status"] != "completed":
        stop_with(FAILED, f"the job {job['status']}: {job['error']}")
    artifact = job["artifacts"][0]
    path = folder / "storage" / "artifacts" / artifact["url"].rpartition("/")[2]
    say(f"{artifact['width']} x {artifact['height']} {artifact['media_type']}, 1 credit spent")
    say("the image:")
    click.echo(path)


async def _make(world: World, prompt: str) -> dict[str, Any]:
    headers = {"Authorization": f"Token {world.tokens['user']}"}
    body = {"prompt": prompt, "aspect_ratio": "16:9"}
    if world.provider == "simulator":
        body["blog_url"] = f"https://{world.simulator_host}/pages/blog"
    async with httpx.AsyncClient(base_url=world.url, headers=headers, timeout=30.0) as client:
        say("POST /api/infographs/create/")
        created = await client.post("/api/infographs/create/", json=body)
        created.raise_for_status()
        job_id = created.json()["infographs"][0]["id"]
        async with connected(world.folder) as connection:
            async for line in follow_job(connection, job_id):
                say(f"  {line}")
        document: dict[str, Any] = (await client.get(f"/api/jobs/{job_id}")).json()
        return document
