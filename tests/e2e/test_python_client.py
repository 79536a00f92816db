"""The Python client against a real world: calls that are repeated, lists, problems, its README."""

import asyncio
import os
import re
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest
import pytest_asyncio
from darkroom_client import Darkroom, Patience, Problem, Unreachable
from darkroom_client.connections import Connections

from cli.world import free_port
from tests.support.relays import Relay, a_relay, problem_answer
from tests.support.worlds import RunningWorld

pytestmark = pytest.mark.same_on_any_database

README = Path(__file__).parent.parent.parent / "clients" / "python" / "README.md"


@pytest.fixture(scope="module")
def token(world: RunningWorld) -> str:
    return world.new_account("python-client", 100)


@pytest_asyncio.fixture
async def relay(world: RunningWorld) -> AsyncIterator[Relay]:
    async with a_relay(world.url) as found:
        yield found


@pytest_asyncio.fixture
async def darkroom(
    world: RunningWorld, client: httpx.Client, token: str
) -> AsyncIterator[Darkroom]:
    del client  # Asked for: it resets what other tests switched.
    async with Darkroom(world.url, token) as opened:
        yield opened


@pytest_asyncio.fixture
async def relayed(relay: Relay, client: httpx.Client, token: str) -> AsyncIterator[Darkroom]:
    del client
    async with Darkroom(relay.url, token) as opened:
        yield opened


async def test_an_infograph_is_created_waited_for_and_fetched(darkroom: Darkroom) -> None:
    created = await darkroom.infographs.create(prompt="reefs", number_of_infographs=2)
    assert created.credits_used == 2
    jobs = [await darkroom.wait(each) for each in created.infographs]
    assert [each.status for each in jobs] == ["completed", "completed"]
    artifact = jobs[0].artifacts[0]
    name = (artifact.url or "").rpartition("/")[2]
    image = b"".join([part async for part in darkroom.artifacts.serve(name)])
    assert len(image) == artifact.bytes


async def test_lists_are_read_page_after_page(world: RunningWorld, client: httpx.Client) -> None:
    del client
    token = world.new_account("python-pages", 10)
    async with Darkroom(world.url, token) as darkroom:
        made = await darkroom.infographs.create(prompt="pages", number_of_infographs=3)
        jobs = [each.id async for each in darkroom.jobs.all(limit=1)]
        infographs = [each.id async for each in darkroom.infographs.all(limit=2)]
        moves = [each.move async for each in darkroom.credits.all_entries(limit=1)]
        assert sorted(jobs) == sorted(each.id for each in made.infographs)
        assert infographs == jobs
        assert moves.count("reserved") == 3
        for each in jobs:
            await darkroom.wait(each)


async def test_a_lost_answer_is_asked_for_again_under_one_key(
    relayed: Darkroom, relay: Relay
) -> None:
    before = await relayed.credits.show()
    relay.asked.clear()
    relay.lost = 2
    created = await relayed.infographs.create(prompt="lost")
    assert len(relay.keys) == 3
    assert len(set(relay.keys)) == 1
    await relayed.wait(created.infographs[0])
    after = await relayed.credits.show()
    assert after.spent + after.held == before.spent + before.held + 1


async def test_a_key_of_ones_own_gets_the_first_answer(darkroom: Darkroom) -> None:
    first = await darkroom.jobs.create(
        kind="infograph", input={"prompt": "one"}, idempotency_key="k1"
    )
    again = await darkroom.jobs.create(
        kind="infograph", input={"prompt": "one"}, idempotency_key="k1"
    )
    assert first.id == again.id
    with pytest.raises(Problem) as found:
        await darkroom.jobs.create(kind="infograph", input={"prompt": "two"}, idempotency_key="k1")
    assert (found.value.status, found.value.code) == (422, "idempotency_key_reused")
    await darkroom.wait(first)


async def test_what_will_pass_is_asked_again_under_one_key(relayed: Darkroom, relay: Relay) -> None:
    refusals = [(503, "outcome_unknown"), (429, "rate_limited"), (409, "idempotency_in_flight")]
    relay.answers += [problem_answer(status, code) for status, code in refusals]
    created = await relayed.infographs.create(prompt="again")
    assert len(relay.keys) == 4
    assert len(set(relay.keys)) == 1
    await relayed.wait(created.infographs[0])


async def test_tries_are_bounded_in_number_and_time(relay: Relay, token: str) -> None:
    patience = Patience(attempts_max=2, seconds_max=20)
    async with Darkroom(relay.url, token, patience=patience) as darkroom:
        relay.answers += [problem_answer(503, "unavailable")] * 2
        with pytest.raises(Problem) as found:
            await darkroom.credits.show()
        assert (found.value.status, found.value.code, found.value.retry_after) == (
            503,
            "unavailable",
            0,
        )
        relay.answers.append(problem_answer(429, "rate_limited", retry_after="60"))
        with pytest.raises(Problem) as found:
            await darkroom.credits.show()
        assert found.value.retry_after == 60
    assert len(relay.asked) == 3


async def test_a_server_that_is_not_there_is_unreachable(token: str) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    async with Darkroom(url, token, patience=Patience(attempts_max=2)) as darkroom:
        with pytest.raises(Unreachable) as found:
            await darkroom.infographs.create(prompt="nobody", idempotency_key="mine")
    assert found.value.idempotency_key == "mine"


async def test_a_deletion_whose_answer_was_lost_is_done(relayed: Darkroom, relay: Relay) -> None:
    created = await relayed.infographs.create(prompt="delete me")
    infograph = created.infographs[0].id
    await relayed.wait(infograph)
    relay.lost = 1
    await relayed.infographs.delete(infograph)
    with pytest.raises(Problem) as found:
        await relayed.infographs.delete(infograph)
    assert found.value.code == "not_found"


async def test_problems_say_what_was_wrong(world: RunningWorld, darkroom: Darkroom) -> None:
    with pytest.raises(Problem) as found:
        await darkroom.infographs.create(prompt="", number_of_infographs=9)
    wrong = found.value
    assert (wrong.status, wrong.code) == (422, "invalid")
    assert "prompt" in {each.field for each in wrong.errors}
    assert wrong.request_id
    async with Darkroom(world.url, world.new_account("python-poor", 1)) as poor:
        with pytest.raises(Problem) as found:
            await poor.infographs.create(prompt="dear", number_of_infographs=4)
    lacking = found.value
    assert (lacking.code, lacking.needed, lacking.available) == ("insufficient_credits", 4, 1)
    async with Darkroom(world.url, "nobody") as stranger:
        with pytest.raises(Problem) as found:
            await stranger.credits.show()
    assert (found.value.status, found.value.code) == (401, "unauthorized")


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffff\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
    ],
)
async def test_what_is_no_answer_is_not_taken_for_one(
    relay: Relay, token: str, answer: bytes
) -> None:
    relay.answers.append(answer)
    async with Darkroom(relay.url, token, patience=Patience(attempts_max=1)) as darkroom:
        with pytest.raises(Unreachable):
            await darkroom.credits.show()


async def test_answers_in_chunks_and_without_a_length_are_read(relay: Relay, token: str) -> None:
    body = b'{"available":1,"held":0,"spent":0,"granted":1,"revoked":0,"as_of":"a.1.1"}'
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
    chunked = b"%x;x=y\r\n%b\r\n0\r\nX: y\r\n\r\n" % (len(body), body)
    relay.answers += [
        head + b"Transfer-Encoding: chunked\r\n\r\n" + chunked,
        head + b"\r\n" + body,
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
        + head
        + b"Content-Length: 74\r\n\r\n"
        + body,
    ]
    async with Darkroom(relay.url, token, patience=Patience(attempts_max=1)) as darkroom:
        for _ in range(3):
            assert (await darkroom.credits.show()).available == 1


async def test_tasks_share_a_client(darkroom: Darkroom) -> None:
    found = await asyncio.gather(*(darkroom.credits.show() for _ in range(150)))
    assert len(found) == 150


async def test_another_transport_does_as_well(world: RunningWorld, token: str) -> None:
    async with Darkroom(world.url, token, transport=httpx.AsyncHTTPTransport()) as darkroom:
        created = await darkroom.infographs.create(prompt="another way")
        states = [each async for each in darkroom.watch_job(created.infographs[0])]
    assert states[-1].document.status == "completed"  # type: ignore[union-attr]


async def test_a_server_is_reached_by_tls(world: RunningWorld) -> None:
    url = f"https://{world.world.simulator_host}/simulator/requests"
    trusted = ssl.create_default_context(cafile=str(world.world.ca_bundle))
    async with Connections(tls=trusted) as connections:
        for _ in range(2):
            answer = await connections.handle_async_request(httpx.Request("GET", url))
            assert isinstance(msgspec.json.decode(await answer.aread()), dict)
    async with Connections() as connections:
        with pytest.raises(httpx.ConnectError, match="certificate"):
            await connections.handle_async_request(httpx.Request("GET", url))


async def test_a_header_with_a_line_break_is_not_sent(world: RunningWorld) -> None:
    async with Darkroom(world.url, "token\r\nX-Other: 1", patience=Patience(1)) as darkroom:
        with pytest.raises(ValueError, match="line break"):
            await darkroom.credits.show()


def test_the_lines_of_the_readme_work(
    world: RunningWorld, client: httpx.Client, token: str
) -> None:
    del client
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={
            **os.environ,
            "DARKROOM_URL": world.url,
            "DARKROOM_TOKEN": token,
            "PYTHONPATH": str(README.parent),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "completed 100"
