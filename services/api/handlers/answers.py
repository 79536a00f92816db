"""Answers to requests that wrote: where the change stands in the log, and if it is a repeat."""

from typing import Protocol, TypeVar

from litestar import Response

from application.account_commands import CommandResult

AS_OF = "Darkroom-As-Of"
NO_STORE = {"Cache-Control": "no-store"}
REPLAYED = {"Idempotency-Replayed": "true"}

Headers = dict[str, str]


class Written(Protocol):
    """A document that says as of which commit it is."""

    @property
    def as_of(self) -> str: ...


Answered = TypeVar("Answered", bound=Written)


def committed(
    document: Answered, status: int, headers: Headers | None = None
) -> Response[Answered]:
    """Answer with a document; the position of the change, its `as_of`, is a header too."""
    headers = {AS_OF: document.as_of} | (headers or {})
    return Response(document, status_code=status, headers=headers)


def of_result(
    result: CommandResult, document: Answered, status: int, headers: Headers | None = None
) -> Response[Answered]:
    """As `committed`, for a result that may be that of an earlier request with the same key."""
    replayed = REPLAYED if result.replayed else {}
    return committed(document, status, replayed | (headers or {}))


def no_content(as_of: str) -> Response[None]:
    return Response(None, status_code=204, headers={AS_OF: as_of})
