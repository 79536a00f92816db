"""Shows the reference of the API: its OpenAPI document, for programs and as a page for people."""

import hashlib
from collections.abc import Callable

import msgspec
from litestar import Litestar, Response, get
from msgspec import Struct

from adapters.http_server import AnyRequest
from services.api.handlers.describe_api import described
from services.api.handlers.page_headers import page_headers
from services.api.handlers.reference_page import html_of
from services.api.handlers.reference_style import STYLE

CACHE = {"Cache-Control": "public, no-cache"}


class Rendered(Struct, frozen=True):
    """What is made once and sent often; `etag` names its content."""

    body: bytes
    etag: str


@get("/api/openapi.json", include_in_schema=False)
async def show_openapi(request: AnyRequest) -> Response[bytes | None]:
    """The OpenAPI document."""
    return _answer(request, _document_bytes, "application/json", {})


@get("/docs", include_in_schema=False)
async def show_docs(request: AnyRequest) -> Response[bytes | None]:
    """The same as a page. It runs no script and loads nothing."""
    return _answer(request, _page_bytes, "text/html", page_headers(STYLE))


def _document_bytes(app: Litestar) -> bytes:
    return msgspec.json.encode(described(app))


def _page_bytes(app: Litestar) -> bytes:
    return html_of(described(app)).encode()


def _answer(
    request: AnyRequest,
    render: Callable[[Litestar], bytes],
    media_type: str,
    headers: dict[str, str],
) -> Response[bytes | None]:
    """Answer with what is rendered at the first request, or with 304 to whom has it."""
    state = request.app.state
    if (name := render.__name__) not in state:
        body = render(request.app)
        state[name] = Rendered(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
    rendered: Rendered = state[name]
    headers = {"ETag": rendered.etag, **CACHE, **headers}
    if rendered.etag in request.headers.get("if-none-match", ""):
        return Response(None, status_code=304, headers=headers)
    return Response(rendered.body, headers=headers, media_type=media_type)
