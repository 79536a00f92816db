"""Source pages: read by a child process, and no page can hold it up or make it swell."""

import asyncio
import gzip
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest

from contracts.ids import AccountId
from services.dispatcher.source_pages import child_process
from services.dispatcher.source_pages.child_process import read_page
from services.dispatcher.source_pages.page_text import PageUnreadable
from tests.support.examples import ACCOUNT, OTHER
from tests.support.waiting import until

TEXT = "Coral reefs shelter a quarter of all marine species. Half of them were lost since 1950."
PAGE = f"<html><body><article><h1>Reefs</h1><p>{TEXT}</p><p>{TEXT}</p></article></body></html>"
PageAnswer = Callable[[asyncio.StreamWriter], Awaitable[None]]


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


async def drip(writer: asyncio.StreamWriter) -> None:
    """One byte every now and then: no single read times out."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
    for _ in range(1000):
        writer.write(b"<")
        await writer.drain()
        await asyncio.sleep(0.2)


HTML = "Content-Type: text/html; charset=utf-8"
ANSWERS: dict[str, bytes] = {
    "/good": answer(PAGE.encode(), HTML),
    "/deep": answer(b"<div>" * 200_000 + TEXT.encode(), HTML),
    "/large": answer(b"x" * 3_000_000, HTML),
    "/bomb": answer(gzip.compress(b"<p>" * 30_000_000), HTML, "Content-Encoding: gzip"),
    "/empty": answer(b"<html><body></body></html>", HTML),
    "/picture": answer(b"GIF89a", "Content-Type: image/gif"),
    "/missing": answer(b"no", HTML, status="404 Not Found"),
    "/inwards": answer(b"", "Location: http://169.254.169.254/", status="302 Found"),
    "/round": answer(b"", "Location: /round", status="302 Found"),
}


class Held:
    """Requests below /held/, in the order they came: each waits until it is let go."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._go = asyncio.Semaphore(0)

    async def wait(self, path: str) -> None:
        self.asked.append(path)
        await self._go.acquire()

    def has(self, count: int) -> bool:
        return len(self.asked) == count

    def let_one_go(self) -> None:
        self._go.release()


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
async def host(held: Held) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        try:
            if path == "/drip":
                await drip(writer)
            if path.startswith("/held/"):
                await held.wait(path)
                path = "/good"
            writer.write(ANSWERS.get(path, ANSWERS["/missing"]))
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_a_page_is_read_as_text(host: str) -> None:
    text = await read_page(f"http://{host}/good", frozenset({host}), ACCOUNT)
    assert TEXT in text
    assert "<" not in text


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/deep", "nested too deeply"),
        ("/large", "too large"),
        ("/bomb", "too large"),
        ("/empty", "no readable text"),
        ("/picture", "not text"),
        ("/missing", "answered 404"),
        ("/inwards", "not allowed"),
        ("/round", "could not be reached"),
    ],
)
async def test_a_page_that_will_not_do_says_why(host: str, path: str, reason: str) -> None:
    with pytest.raises(PageUnreadable, match=reason):
        await read_page(f"http://{host}{path}", frozenset({host}), ACCOUNT)


async def test_a_private_address_is_not_reached_unless_it_is_allowed(host: str) -> None:
    with pytest.raises(PageUnreadable, match="not allowed"):
        await read_page(f"http://{host}/good", frozenset(), ACCOUNT)


def children() -> list[int]:
    """The processes that this one has started and that still run."""
    found = []
    for path in Path("/proc/self/task").glob("*/children"):
        found += [int(pid) for pid in path.read_text().split()]
    return found


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def reading(pid: int) -> bool:
    """Whether the child has taken its limits: it is at work."""
    try:
        return os.getpriority(os.PRIO_PROCESS, pid) > os.getpriority(os.PRIO_PROCESS, 0)
    except ProcessLookupError:
        return False


async def test_a_page_that_never_ends_is_given_up_and_its_child_is_gone(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_process, "READ_SECONDS", 1.5)
    before = set(children())
    with pytest.raises(PageUnreadable, match="took too long"):
        await read_page(f"http://{host}/drip", frozenset({host}), ACCOUNT)
    assert set(children()) <= before


async def test_the_child_knows_no_secret_and_is_polite(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DARKROOM_MASTER_KEY", "a-secret")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    before = set(children())
    task = asyncio.create_task(read_page(f"http://{host}/drip", frozenset({host}), ACCOUNT))
    try:
        await until(lambda: any(map(reading, set(children()) - before)))
        (child,) = set(children()) - before
        names = {
            each.split("=")[0] for each in Path(f"/proc/{child}/environ").read_text().split("\0")
        }
        assert names - {""} == {"PATH", "LANG", "MALLOC_ARENA_MAX", "SSL_CERT_FILE"}
        assert os.getpgid(child) == child
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert not is_running(child)


async def test_a_few_pages_are_read_at_once_and_a_heap_of_one_account_delays_no_other(
    host: str, held: Held
) -> None:
    async def read(account: AccountId) -> None:
        await read_page(f"http://{host}/held/{account}", frozenset({host}), account)

    heap = [asyncio.create_task(read(ACCOUNT)) for _ in range(8)]
    await until(partial(held.has, child_process.CHILDREN_MAX))
    one = asyncio.create_task(read(OTHER))
    await asyncio.sleep(0)  # It stands in the queue now.
    for asked in (child_process.CHILDREN_MAX + 1, child_process.CHILDREN_MAX + 2):
        held.let_one_go()
        await until(partial(held.has, asked))
    for task in (one, *heap):
        task.cancel()
    await asyncio.gather(one, *heap, return_exceptions=True)
    assert f"/held/{OTHER}" in held.asked, "it is one of the first two after the heap's first four"


async def test_when_the_parent_is_killed_the_child_dies_too(host: str) -> None:
    program = (
        "import asyncio; from services.dispatcher.source_pages.child_process import read_page; "
        f"asyncio.run(read_page('http://{host}/drip', frozenset({{'{host}'}}), 'a'))"
    )
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", program)
    try:
        listed = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
        await until(lambda: any(map(reading, map(int, listed.read_text().split()))))
        (child,) = map(int, listed.read_text().split())
    finally:
        parent.kill()
        await parent.wait()
    await until(lambda: not is_running(child))
