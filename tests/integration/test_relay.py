"""The relay of webhooks, between raw clients and an ingestor that a test scripts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from cli.world import free_port
from domain.refusals import Refused
from services.api.handlers import relay_webhooks
from services.api.handlers.relay_webhooks import BODY_BYTES_MAX, Relay
from tests.support.waiting import until

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/x\r\nX: y\r\nContent-Length: 2\r\n\r\nok"


class Ingestor:
    """Keeps what it gets, byte for byte, and answers with what the test has set."""

    def __init__(self) -> None:
        self.connections = 0
        self.open_connections = 0
        self.requests: list[bytes] = []
        self.answers: list[bytes | None] = []  # None: hang up. When they are used up: OK.

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open_connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(length))
                answer = self.answers.pop(0) if self.answers else OK
                if answer is None:
                    break
                writer.write(answer)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()
            self.open_connections -= 1


@asynccontextmanager
async def relaying() -> AsyncIterator[tuple[Relay, Ingestor]]:
    ingestor = Ingestor()
    server = await asyncio.start_server(ingestor.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    relay = Relay(f"http://127.0.0.1:{port}")
    try:
        yield relay, ingestor
    finally:
        relay.close()
        server.close()
        await until(lambda: not ingestor.open_connections)


async def deliver(
    relay: Relay, body: bytes = b"{}", query: bytes = b"", headers: Any = (), parts: int = 1
) -> tuple[int, dict[bytes, bytes], bytes]:
    """Deliver as a listener would; return status, headers and body of the answer."""
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/infographs/webhook/job-1/",
        "query_string": query,
        "headers": list(headers),
    }
    assert relay.takes(scope)
    size = -(-len(body) // parts) or 1
    chunks = [body[at : at + size] for at in range(0, len(body), size)] or [b""]
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": chunks.pop(0), "more_body": bool(chunks)}

    async def send(message: Any) -> None:
        sent.append(message)

    await relay.answer(scope, receive, send)
    start, end = sent
    return start["status"], dict(start["headers"]), end["body"]


async def test_a_webhook_is_passed_on_byte_for_byte_and_its_answer_back() -> None:
    async with relaying() as (relay, ingestor):
        body = bytes(range(256)) * 100
        headers = [
            (b"x-fal-webhook-signature", b"00ff"),
            (b"content-type", b"application/json; charset=x"),
            (b"authorization", b"Token of-somebody"),
            (b"cookie", b"a=b"),
        ]
        answer = await deliver(relay, body, b"attempt=1&token=a%00b", headers, parts=7)
        assert answer == (200, {b"content-type": b"text/x", b"content-length": b"2"}, b"ok")
        head, _, passed = ingestor.requests[0].partition(b"\r\n\r\n")
        assert passed == body
        lines = head.split(b"\r\n")
        assert lines[0] == b"POST /api/infographs/webhook/job-1/?attempt=1&token=a%00b HTTP/1.1"
        assert b"x-fal-webhook-signature: 00ff" in lines
        assert b"content-type: application/json; charset=x" in lines
        assert b"Token" not in head
        assert b"cookie" not in head


async def test_one_connection_serves_one_webhook_after_the_other() -> None:
    async with relaying() as (relay, ingestor):
        for _ in range(5):
            assert (await deliver(relay))[0] == 200
        assert (len(ingestor.requests), ingestor.connections) == (5, 1)


async def test_many_at_once_take_a_bounded_number_of_connections() -> None:
    async with relaying() as (relay, ingestor):
        answers = await asyncio.gather(*(deliver(relay) for _ in range(300)))
        assert {status for status, _, _ in answers} == {200}
        assert len(ingestor.requests) == 300
        assert ingestor.connections <= relay_webhooks.CONNECTIONS_MAX


@pytest.mark.parametrize(
    "broken",
    [None, b"HTTP/1.1 200 OK\r\n", b"nonsense\r\n\r\n", OK[:-1]],
    ids=["hangs up", "in the head", "no HTTP", "in the body"],
)
async def test_a_post_that_may_have_been_taken_is_not_repeated(
    broken: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_webhooks, "RELAY_SECONDS", 0.3)
    async with relaying() as (relay, ingestor):
        assert (await deliver(relay))[0] == 200
        ingestor.answers = [broken]
        with pytest.raises(Refused, match="send it again"):
            await deliver(relay)
        assert len(ingestor.requests) == 2
        assert (await deliver(relay))[0] == 200  # On a connection of its own.
        assert ingestor.connections == 2


async def test_an_answer_that_is_too_large_is_not_taken() -> None:
    async with relaying() as (relay, ingestor):
        length = relay_webhooks.ANSWER_BYTES_MAX + 1
        ingestor.answers = [
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length + b"x" * length
        ]
        with pytest.raises(Refused, match="send it again"):
            await deliver(relay)


async def test_an_error_of_the_ingestor_is_passed_back_with_when_to_come_again() -> None:
    async with relaying() as (relay, ingestor):
        ingestor.answers = [
            b"HTTP/1.1 503 Away\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        ]
        status, headers, _ = await deliver(relay)
        assert (status, headers[b"retry-after"]) == (503, b"5")
        assert (await deliver(relay))[0] == 200


async def test_an_ingestor_that_is_away_is_unavailable() -> None:
    with pytest.raises(Refused) as caught:
        await deliver(Relay(f"http://127.0.0.1:{free_port()}"))
    assert caught.value.code == "unavailable"
    with pytest.raises(Refused, match="at this address"):
        await deliver(Relay(""))


async def test_a_body_is_bounded_by_what_it_says_and_by_what_it_is() -> None:
    async with relaying() as (relay, ingestor):
        assert (await deliver(relay, b"x" * BODY_BYTES_MAX, parts=3))[0] == 200
        said = [(b"content-length", b"%d" % (BODY_BYTES_MAX + 1))]
        for headers in (said, []):
            with pytest.raises(Refused) as caught:
                await deliver(relay, b"x" * (BODY_BYTES_MAX + 1), headers=headers, parts=3)
            assert caught.value.code == "too_large"
        assert len(ingestor.requests) == 1


async def test_what_all_bodies_hold_is_bounded_and_given_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relay_webhooks, "BYTES_HELD_MAX", 1000)
    async with relaying() as (relay, _):
        with pytest.raises(Refused) as caught:
            await deliver(relay, b"x" * 1001)
        assert caught.value.code == "unavailable"
        for _ in range(5):
            assert (await deliver(relay, b"x" * 900))[0] == 200


@pytest.mark.parametrize(
    ("path", "taken"),
    [
        ("/api/infographs/webhook/a-1/", True),
        ("/api/infographs/webhook/a-1", True),
        ("/infographs/webhook/a-1", True),
        ("/infographs/webhook/a-1/\n", False),
        ("/infographs/webhook/a\x01/", False),
        ("/infographs/webhook/é/", False),
        ("/infographs/webhook//", False),
        ("/infographs/webhook/a/b/", False),
    ],
)
def test_only_ids_are_relayed(path: str, *, taken: bool) -> None:
    assert Relay("http://x").takes({"method": "POST", "path": path}) is taken
    assert not Relay("http://x").takes({"method": "GET", "path": path})
