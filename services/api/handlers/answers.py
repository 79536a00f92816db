"""Answers to requests that wrote: where the change stands in the log, and if it is a repeat."""

from litestar import Response

from adapters.http_server import AnyResponse
from application.account_commands import CommandResult
from services.api.dependencies import Api
from services.api.documents import Document

AS_OF = "Darkroom-As-Of"
NO_STORE = {"Cache-Control": "no-store"}
REPLAYED = {"Idempotency-Replayed": "true"}

Headers = dict[str, str]


def committed(
    api: Api, sequence: int, document: Document, status: int, headers: Headers | None = None
) -> AnyResponse:
    """Show `document` with `as_of`, the position of the change, which is a header too."""
    as_of = api.cursor(sequence)
    headers = {AS_OF: as_of} | (headers or {})
    return Response(document | {"as_of": as_of}, status_code=status, headers=headers)


def of_result(
    api: Api, result: CommandResult, document: Document, status: int, headers: Headers | None = None
) -> AnyResponse:
    """As `committed`, for a result that may be that of an earlier request with the same key."""
    replayed = REPLAYED if result.replayed else {}
    return committed(api, result.sequence, document, status, replayed | (headers or {}))


def no_content(as_of: str) -> Response[None]:
    return Response(None, status_code=204, headers={AS_OF: as_of})
