"""The front door: what it refuses, what it says to caches, and what is nobody's error."""

import os
import re
import socket
import time
from array import array
from collections import deque
from contextlib import ExitStack
from fcntl import ioctl
from termios import FIONREAD
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.faults.front_door import memory_of
from tests.support.examples import a_job_id
from tests.support.waiting import eventually
from tests.support.worlds import RunningWorld, create, until_ended

pytestmark = pytest.mark.same_on_any_database


def address_of(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


@pytest.mark.parametrize("query", ["", "?ticket=unknown", "?ticket=" + "a" * 500])
@pytest.mark.parametrize("header", ["", "Token x", "Token dkr_" + "A" * 43])
def test_a_socket_without_a_right_is_a_401_before_it_opens(
    world: RunningWorld, query: str, header: str
) -> None:
    url = world.url.replace("http:", "ws:") + f"/api/ws{query}"
    headers = {"Authorization": header} if header else {}
    with pytest.raises(InvalidStatus) as caught:
        connect(url, additional_headers=headers)
    answer = caught.value.response
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"].startswith("Token")
    assert b'"code":"unauthorized"' in (answer.body or b"")


def test_a_socket_at_another_path_is_a_404(world: RunningWorld) -> None:
    with pytest.raises(InvalidStatus) as caught:
        connect(world.url.replace("http:", "ws:") + "/api/nothing")
    assert caught.value.response.status_code == 404


@pytest.mark.parametrize("prefix", ["/api/infographs", "/infographs"])
@pytest.mark.parametrize(
    "text", ["%00", "a%0A", "%7F", "a%0D%0Ab", "%C3%A9", "x" * 300, "a%2Fb", "%ED%A0%80"]
)
def test_no_text_in_a_webhooks_path_is_more_than_a_404(
    world: RunningWorld, prefix: str, text: str
) -> None:
    for path in (f"{prefix}/webhook/{text}", f"{prefix}/webhook/{text}/"):
        answer = httpx.post(f"{world.url}{path}", content=b"{}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path


def test_what_is_an_accounts_is_kept_by_no_cache(client: httpx.Client) -> None:
    job = create(client)
    for path in (
        "/api/credits",
        "/api/credits/entries",
        "/api/jobs",
        "/api/infographs/list/",
        f"/api/jobs/{job}/history",
        "/api/webhook-endpoints",
        "/api/jobs/none",
    ):
        answer = client.get(path)
        assert answer.headers["cache-control"] == "no-store", path
        assert answer.headers["x-content-type-options"] == "nosniff", path
    status = client.get(f"/api/infographs/status/{job}/")
    assert status.headers["cache-control"] == "private, no-cache"
    assert status.headers["x-content-type-options"] == "nosniff"


def test_a_deleted_artifact_is_a_404_whatever_a_cache_knows(client: httpx.Client) -> None:
    job = create(client)
    url = until_ended(client, job)["artifacts"][0]["url"]
    shown = httpx.get(url).headers
    assert shown["cross-origin-resource-policy"] == "cross-origin", "a page elsewhere shows it"
    tag = shown["etag"]
    for known in (tag, "*", f'W/"x", {tag}'):
        assert httpx.get(url, headers={"If-None-Match": known}).status_code == 304
    assert client.delete(f"/api/infographs/{job}/").status_code == 204

    def is_gone() -> bool:
        return httpx.get(url).status_code == 404

    assert eventually(is_gone)
    for known in (tag, "*"):
        answer = httpx.get(url, headers={"If-None-Match": known})
        assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store")
        never = f"{url.rpartition('/')[0]}/{'0' * 40}.png"
        assert httpx.get(never, headers={"If-None-Match": f'"{"0" * 40}"'}).status_code == 404


def cut_off_at(world: RunningWorld, service: str) -> float:
    """How many requests never came whole to a service."""
    text = httpx.get(f"http://127.0.0.1:{world.world.ports[f'{service}_metrics']}/metrics").text
    found = re.search(r"^darkroom_http_requests_cut_off_total (\S+)$", text, re.MULTILINE)
    assert found is not None
    return float(found[1])


@pytest.mark.parametrize(
    "path", ["/api/infographs/create/", f"/api/infographs/webhook/{a_job_id()}/", "ingestor"]
)
def test_a_body_that_is_cut_off_is_in_no_log(world: RunningWorld, path: str) -> None:
    place, service = world.url, "api"
    if path == "ingestor":
        service, place, path = (
            "ingestor",
            world.world.ingestor_url,
            f"/api/infographs/webhook/{a_job_id()}/",
        )
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: Token {world.world.tokens['user']}\r\nContent-Length: 5000\r\n"
        "Expect: 100-continue\r\n\r\n"
    )
    before = cut_off_at(world, service)
    with socket.create_connection(address_of(place)) as cut:
        cut.sendall(head.encode())
        assert cut.recv(100).startswith(b"HTTP/1.1 100 "), "the body is being waited for"
        cut.sendall(b"{" * 100)
    eventually(lambda: cut_off_at(world, service) > before)
    assert httpx.get(f"{world.url}/health/live").status_code == 200
    text = "".join(file.read_text() for file in world.path.rglob("*.log"))
    assert text
    assert "Traceback" not in text
    assert "disconnected prematurely" not in text


def all_stand_still(readers: list[socket.socket]) -> bool:
    """Whether every reader has something to take, and none was given more for a moment."""
    first = [unread_bytes(each) for each in readers]
    time.sleep(0.2)  # Between two looks: nothing says that a server will send no more.
    return min(first) > 0 and [unread_bytes(each) for each in readers] == first


def unread_bytes(reader: socket.socket) -> int:
    count = array("i", [0])
    ioctl(reader, FIONREAD, count)
    return count[0]


def test_readers_that_stand_still_hold_no_whole_files(world: RunningWorld) -> None:
    api, name = world.service_pid("services.api"), "0" * 39 + "1"
    path = world.path / "storage" / "artifacts" / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(1024) * 40_000)
    before = memory_of(api)
    with ExitStack() as opened:
        readers = [
            opened.enter_context(socket.create_connection(address_of(world.url))) for _ in range(60)
        ]
        for reader in readers:
            reader.sendall(f"GET /artifacts/{name}.png HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        eventually(lambda: all_stand_still(readers))
        assert memory_of(api) - before < 100
        assert httpx.get(f"{world.url}/artifacts/{name}.png").content == path.read_bytes()
    path.unlink()


def test_an_artifact_that_goes_while_it_is_read_is_cut_and_no_error(world: RunningWorld) -> None:
    path = world.path / "storage" / "artifacts" / ("0" * 39 + "2.png")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(40_000_000))
    with httpx.stream("GET", f"{world.url}/artifacts/{path.name}") as answer:
        parts = answer.iter_raw()
        assert next(parts)
        path.unlink()
        with pytest.raises(httpx.RemoteProtocolError):
            deque(parts, maxlen=0)
    text = eventually(lambda: read_if(world, "answer_cut"))
    assert "Traceback" not in text


def read_if(world: RunningWorld, word: str) -> str:
    text = "".join(file.read_text() for file in world.path.rglob("*.log"))
    return text if word in text else ""
