"""Serves artifacts at unguessable URLs, which need no header and never change."""

from litestar import Response, get
from litestar.params import FromPath
from litestar.response import Stream

from adapters.http_server import AnyRequest, AnyResponse
from adapters.storage import BadKey
from domain.refusals import Refused
from services.api.dependencies import Api, Injected

CACHE = "public, max-age=3600"  # A cache shows a deleted file for an hour at most.


@get("/artifacts/{name:str}")
async def serve_artifact(
    request: AnyRequest, api: Injected[Api], name: FromPath[str]
) -> AnyResponse:
    """The file, with its type and length. The same URL always has the same bytes."""
    try:
        found = await api.storage.open(f"artifacts/{name}")
    except BadKey:
        found = None
    if found is None:
        raise Refused("not_found", "there is no such artifact")
    headers = {
        "Cache-Control": CACHE,
        "ETag": f'"{name.partition(".")[0]}"',
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "Content-Disposition": "inline",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    known = request.headers.get("if-none-match", "")
    if headers["ETag"] in known or known.strip() == "*":
        return Response(None, status_code=304, headers=headers)
    headers["Content-Length"] = str(found.size_bytes)
    return Stream(found.parts, headers=headers, media_type=found.media_type)
