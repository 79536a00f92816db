"""Shows the reference of the API: its OpenAPI document."""

import hashlib

import msgspec
from litestar import Response, get
from msgspec import Struct

from adapters.http_server import AnyRequest
from services.api.handlers.describe_api import described

CACHE = "public, no-cache"


class Page(Struct, frozen=True):
    """What is made once and sent often; `etag` names its content."""

    body: bytes
    etag: str


def page_of(body: bytes) -> Page:
    return Page(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


@get("/api/openapi.json", include_in_schema=False)
async def show_openapi(request: AnyRequest) -> Response[bytes | None]:
    """The OpenAPI document."""
    state = request.app.state
    if "openapi" not in state:
        state["openapi"] = page_of(msgspec.json.encode(described(request.app)))
    return _answer(request, state["openapi"], "application/json")


def _answer(request: AnyRequest, page: Page, media_type: str) -> Response[bytes | None]:
    headers = {"ETag": page.etag, "Cache-Control": CACHE}
    if page.etag in request.headers.get("if-none-match", ""):
        return Response(None, status_code=304, headers=headers)
    return Response(page.body, headers=headers, media_type=media_type)
