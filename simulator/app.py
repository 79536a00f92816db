"""The simulator's HTTP server: fal's routes, and its own switches under /simulator."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

import msgspec

from simulator import outputs, pictures
from simulator.control import Control
from simulator.failures import Stage
from simulator.queue import Queue, Reply
from simulator.requests import QueueRequest

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

BODY_BYTES_MAX = 4 * 1024 * 1024
SENT_OF_A_LOST_FILE = {"silent_file": 0.0, "cut_short_file": 0.5}
ARTICLE = """
<p>Coral reefs cover less than one percent of the ocean floor and shelter a quarter of all marine
species.</p>
<p>Since 1950 half of the living coral has been lost. Warm water drives out the algae that feed the
coral, and it bleaches.</p>
<p>Reefs protect 200 million people from storms. Where fishing is limited and water is kept clean,
they recover within ten to fifteen years.</p>
"""
PAGE = f"<html><head><title>Coral reefs</title></head><body><article><h1>Coral reefs</h1>{ARTICLE}"


class Simulator:
    """An ASGI application without a framework, fast enough for some thousand calls a second."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self._control = Control(queue)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path, method = scope["path"].strip("/"), scope["method"]
        query = parse_qs(scope["query_string"].decode())
        if path.startswith("files/"):
            await self._file(path.removeprefix("files/"), send)
            return
        if path == "pages/blog":
            await _send(send, Reply(200, None), PAGE.encode(), "text/html; charset=utf-8")
            return
        body = await _body(receive)
        headers = dict(scope["headers"])
        if path.startswith("simulator/"):
            reply = self._control.answer(path.removeprefix("simulator/"), method, headers, body)
        elif path == ".well-known/jwks.json":
            reply = Reply(200, self.queue.webhooks.key_set())
        elif not headers.get(b"authorization", b"").startswith(b"Key "):
            reply = Reply(401, {"detail": "No user found for Key ID and Secret"})
        else:
            reply = await self._call(path, method, query, body)
        await _send(send, reply)

    async def _call(
        self, path: str, method: str, query: dict[str, list[str]], body: bytes
    ) -> Reply:
        """Route by the `requests` segment: the path of an app before it has two or three parts."""
        if path == "v1/models/requests/by-endpoint":
            return self._list(query)
        app, found, rest = path.partition("/requests/")
        if not found:
            if method != "POST" or "/" not in app:
                return Reply(404, {"detail": f"Path /{path} not found"})
            try:
                arguments = msgspec.json.decode(body, type=dict[str, Any])
            except msgspec.DecodeError:
                return Reply(400, {"detail": "Invalid JSON", "error_type": "bad_request"})
            return await self.queue.submit(path, arguments, query.get("fal_webhook", [None])[0])
        request_id, _, call = rest.partition("/")
        match method, call:
            case "GET", "status":
                logs = query.get("logs", ["0"])[0] in {"1", "true", "True"}
                return self.queue.status(request_id, with_logs=logs)
            case "GET", "" | "response":
                return self.queue.result(request_id)
            case "PUT", "cancel":
                return self.queue.cancel(request_id)
        return Reply(404, {"detail": f"Path /{path} not found"})

    def _list(self, query: dict[str, list[str]]) -> Reply:
        try:
            since = datetime.fromisoformat(query["start"][0]).timestamp()
            endpoint = query["endpoint_id"][0]
        except (KeyError, ValueError):
            return Reply(400, {"detail": "endpoint_id and start are needed"})
        with_payloads = "payloads" in query.get("expand", [])
        return self.queue.listed(endpoint, since, with_payloads=with_payloads)

    async def _file(self, name: str, send: Send) -> None:
        request = self.queue.requests.by_id.get(name.partition(".")[0])
        failure = request.failures.get(Stage.FILE) if request is not None else None
        if request is None or failure == "dead_file":
            await _send(send, Reply(404, {"detail": "no such file"}))
            return
        request.failures.pop(Stage.FILE, None)
        if failure == "forbidden_file":
            await _send(send, Reply(403, {"detail": "forbidden"}))
            return
        content, headers = await asyncio.to_thread(_content, request, failure)
        reply = Reply(200, None, headers, lost=failure in SENT_OF_A_LOST_FILE)
        made = outputs.file_of(request.endpoint, request.arguments)
        await _send(send, reply, content, made.media_type)


def _content(request: QueueRequest, failure: str | None) -> tuple[bytes, dict[str, str]]:
    """Return the content of a request's file, and headers of its own."""
    if failure == "wrong_file":
        return b"<svg onload='alert(1)'/>", {}
    if failure == "bomb_file":
        return pictures.bomb(), {}
    content = outputs.content_of(request.endpoint, request.arguments)
    if failure == "truncated_file":
        return content[: len(content) // 2], {}
    share = SENT_OF_A_LOST_FILE.get(failure or "", 1.0)  # Less: it ends before the length it has.
    return content[: int(len(content) * share)], {"Content-Length": str(len(content))}


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body") or len(body) > BODY_BYTES_MAX:
            return bytes(body)


async def _send(
    send: Send, reply: Reply, content: bytes | None = None, media_type: str = "application/json"
) -> None:
    body = msgspec.json.encode(reply.body) if content is None else content
    named = {"Content-Type": media_type, "Content-Length": str(len(body)), **reply.headers}
    headers = [(name.lower().encode(), value.encode()) for name, value in named.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    if reply.lost:  # The connection breaks off before the announced length.
        body = content or b""
    await send({"type": "http.response.body", "body": body, "more_body": reply.lost})
