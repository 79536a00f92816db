"""Answers in front of Litestar: webhooks are relayed, and a WebSocket that is refused before its
upgrade gets the reason. Litestar would answer 403 whatever the reason is.
"""

from typing import Any

from litestar import Request

from adapters.http_server import AnyRequest, AsgiApp, Message, Receive, Send
from domain.refusals import Refused
from services.api.handlers.answer_errors import on_error
from services.api.handlers.relay_webhooks import Relay

ERROR = "darkroom_error"


def answer_early(app: AsgiApp, relay: Relay) -> AsgiApp:
    async def run(scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await app(scope, receive, _with_reasons(scope, receive, send))
        elif relay.takes(scope):
            try:
                await relay.answer(scope, receive, send)
            except Refused as refused:
                await _send_problem("http", _request(scope, receive), refused, send)
        else:
            await app(scope, receive, send)

    return run


async def keep_error(error: Exception, scope: Any) -> None:
    """Keep why a request failed: Litestar does not pass it on for a WebSocket."""
    scope[ERROR] = error


def _with_reasons(scope: Any, receive: Receive, send: Send) -> Send:
    is_open = False

    async def answer(message: Message) -> None:
        nonlocal is_open
        if message["type"] == "websocket.close" and not is_open and ERROR in scope:
            await _send_problem("websocket.http", _request(scope, receive), scope[ERROR], send)
            return
        is_open = is_open or message["type"] == "websocket.accept"
        await send(message)

    return answer


async def _send_problem(kind: str, request: AnyRequest, error: Exception, send: Send) -> None:
    response = on_error(request, error).to_asgi_response(None, request)
    headers = response.encode_headers()
    start = {"type": f"{kind}.response.start", "status": response.status_code, "headers": headers}
    await send(start)
    await send({"type": f"{kind}.response.body", "body": response.body})


def _request(scope: Any, receive: Receive) -> AnyRequest:
    wanted: Any = {**scope, "type": "http", "method": scope.get("method", "GET")}
    return Request(wanted, receive)  # type: ignore[arg-type]
