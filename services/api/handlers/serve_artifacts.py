"""Serves artifacts at unguessable URLs, which need no header and never change."""

from litestar import HttpMethod, Response, get, route
from litestar.params import FromPath
from litestar.response import Stream

from adapters.http_server import AnyRequest, AnyResponse
from adapters.storage import BadKey, StoredObject
from domain.refusals import Refused
from services.api.dependencies import Api, Injected
from services.api.handlers.byte_ranges import span_of

CACHE = "public, max-age=3600"  # A cache shows a deleted file for an hour at most.
# A browser that is led to such a file may run nothing of it.
SHUT_IN = "default-src 'none'; sandbox"
# A browser's own player asks for the file once more, which is refused to a page of no origin.
PLAYED = "default-src 'none'; media-src 'self'; sandbox allow-same-origin"
SHOWN = ("image/", "video/", "audio/", "text/plain", "application/json")


@get("/artifacts/{name:str}")
async def serve_artifact(
    request: AnyRequest, api: Injected[Api], name: FromPath[str]
) -> AnyResponse:
    """The file, with its type and length, or the range of it that is asked for. The same URL always
    has the same bytes.
    """
    found = await _found(api, name)
    headers = _headers_of(found, name)
    if _is_known(request, headers["ETag"]):
        return Response(None, status_code=304, headers=headers)
    asked, condition = (request.headers.get(each, "") for each in ("range", "if-range"))
    span = span_of(asked, condition, headers["ETag"], found.size_bytes)
    if span is None:
        headers["Content-Length"] = str(found.size_bytes)
        return Stream(found.parts(), headers=headers, media_type=found.media_type)
    headers["Content-Length"] = str(span.end - span.begin)
    headers["Content-Range"] = span.content_range(found.size_bytes)
    parts = found.parts(span.begin, span.end)
    return Stream(parts, status_code=206, headers=headers, media_type=found.media_type)


@route("/artifacts/{name:str}", http_method=HttpMethod.HEAD)
async def describe_artifact(
    request: AnyRequest, api: Injected[Api], name: FromPath[str]
) -> AnyResponse:
    """The headers of the file, without the file."""
    found = await _found(api, name)
    headers = _headers_of(found, name)
    if _is_known(request, headers["ETag"]):
        return Response(None, status_code=304, headers=headers)
    headers["Content-Length"] = str(found.size_bytes)
    return Response(b"", headers=headers, media_type=found.media_type)


async def _found(api: Api, name: str) -> StoredObject:
    try:
        found = await api.storage.open(f"artifacts/{name}")
    except BadKey:
        found = None
    if found is None:
        raise Refused("not_found", "there is no such artifact")
    return found


def _headers_of(found: StoredObject, name: str) -> dict[str, str]:
    is_played = found.media_type.startswith(("video/", "audio/"))
    return {
        "Accept-Ranges": "bytes",
        "Cache-Control": CACHE,
        "ETag": f'"{name.partition(".")[0]}"',
        "Content-Security-Policy": PLAYED if is_played else SHUT_IN,
        "Content-Disposition": "inline" if found.media_type.startswith(SHOWN) else "attachment",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }


def _is_known(request: AnyRequest, etag: str) -> bool:
    known = request.headers.get("if-none-match", "")
    return etag in known or known.strip() == "*"
