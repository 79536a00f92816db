"""`darkroom simulate`: failures on demand, in a world whose provider is the simulator."""

import asyncio
import ssl
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

import click
import httpx
from click.shell_completion import CompletionItem

from cli.output import (
    DATA_DIR,
    REFUSED,
    USAGE,
    Stopped,
    operator_command,
    say,
    show,
    show_all,
    stop_with,
)
from cli.world import NoWorld, World, read_world

ANSWER_SECONDS = 5.0
_EXIT_CODES = {HTTPStatus.UNPROCESSABLE_ENTITY: USAGE, HTTPStatus.CONFLICT: REFUSED}


def _complete(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the failures that the running world's simulator knows; without one, the others."""
    known: list[dict[str, str]] = []
    with suppress(NoWorld, Stopped):
        world = _world_of(Path(ctx.params.get("data_dir") or DATA_DIR))
        known = asyncio.run(ask_simulator(world, "GET"))["failures"]
    items = [CompletionItem(each["failure"], help=each["about"]) for each in known]
    items += [CompletionItem("list"), CompletionItem("clear")]
    return [each for each in items if each.value.startswith(incomplete)]


@click.command()
@click.argument(
    "failure", required=False, metavar="[FAILURE | list | clear]", shell_complete=_complete
)
@click.option("--next", "count", type=int, help="For so many submissions. Without it: one.")
@click.option(
    "--prompt-contains", "word", help="For prompts that hold this; without --next, until cleared."
)
@operator_command
async def simulate(
    data_dir: Path, failure: str | None, count: int | None, word: str | None, *, as_json: bool
) -> None:
    """Make the simulator fail. Alone: show which failures there are, and which are set. `list`
    shows what is set, `clear` removes it; so does a restart. docs/guides/failures.md says what
    each leads to.
    """
    given = {"next": count, "prompt_contains": word}
    rule = {name: value for name, value in given.items() if value is not None}
    if rule and failure in {None, "list", "clear"}:
        stop_with(USAGE, "name the failure that --next or --prompt-contains is about")
    world = _world_of(data_dir)
    match failure:
        case None:
            _show_failures(world, await ask_simulator(world, "GET"), as_json=as_json)
        case "list":
            rules = (await ask_simulator(world, "GET"))["rules"]
            show_all(rules, as_json=as_json)
            if not rules:
                say("no failure is set")
        case "clear":
            show(await ask_simulator(world, "DELETE"), as_json=as_json)
        case name:
            rule = await ask_simulator(world, "POST", {"failure": name, **rule})
            show(rule, as_json=as_json)


def _show_failures(world: World, known: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        ca_bundle = str(world.ca_bundle)
        show({"url": failures_url(world), "ca_bundle": ca_bundle, **known}, as_json=True)
        return
    show_all(known["failures"], as_json=False)
    if known["rules"]:
        say("set now, with what is left of it, for which prompts, and how often it matched:")
        show_all(known["rules"], as_json=False)


def _world_of(data_dir: Path) -> World:
    world = read_world(data_dir)
    if world is None or not world.is_running:
        raise NoWorld(
            f"no world is running in {data_dir.absolute()}: start one with `darkroom up`, or name "
            "another folder with --data-dir"
        )
    if world.provider != "simulator":
        stop_with(REFUSED, "this world asks the real provider: only the simulator fails on demand")
    return world


def failures_url(world: World) -> str:
    return f"https://{world.simulator_host}/simulator/failures"


async def ask_simulator(world: World, method: str, body: Any = None) -> dict[str, Any]:
    """Return what the simulator of a running world answers about failures; raise NoWorld when it
    does not answer, Stopped when it refuses.
    """
    try:
        trusted = ssl.create_default_context(cafile=str(world.ca_bundle))
        async with httpx.AsyncClient(
            verify=trusted, timeout=ANSWER_SECONDS, trust_env=False
        ) as client:
            answer = await client.request(method, failures_url(world), json=body)
    except (httpx.HTTPError, OSError) as error:
        log = world.folder / "logs" / "simulator.log"
        raise NoWorld(f"the simulator does not answer ({error}): see {log}") from error
    document: dict[str, Any] = answer.json()
    if answer.is_error:
        stop_with(_EXIT_CODES.get(HTTPStatus(answer.status_code), REFUSED), document["detail"])
    return document
