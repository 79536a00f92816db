"""What can go wrong.

DarkroomError
├── Problem          the server refused the request, or could not carry it out
├── Unreachable      no answer came, in all tries
├── BadAnswer        an answer is larger than allowed, or is not what the reference says
└── NotFromDarkroom  a webhook is forged, too old or damaged
"""

from collections.abc import Sequence

import msgspec
from msgspec import Struct

# What reading JSON raises: also where it is nested too deeply, and where it is no UTF-8.
UNREADABLE = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


class FieldError(Struct, frozen=True):
    """One wrong value of a request."""

    field: str
    message: str


class ProblemDocument(Struct, frozen=True):
    """A problem as RFC 9457 shapes it, in which everything may be missing."""

    code: str = "unknown"
    title: str = ""
    detail: str = ""
    request_id: str | None = None
    errors: Sequence[FieldError] = ()
    needed: int | None = None
    available: int | None = None


class DarkroomError(Exception):
    """Any of the errors below."""


class Problem(DarkroomError):
    """The server refused. Decide on `code`, never on words; docs/guides/errors.md has them all.

    `errors` names wrong fields, `request_id` is what the server's log has, `retry_after` counts
    seconds. `needed` and `available` are credits, where those are lacking.
    """

    def __init__(
        self, status: int, document: ProblemDocument, retry_after: float | None = None
    ) -> None:
        wrong = "".join(f"; {each.field} {each.message}" for each in document.errors)
        text = document.detail or document.title
        super().__init__(f"{status} {document.code}: {text}{wrong}")
        self.status, self.retry_after = status, retry_after
        self.code, self.title, self.detail = document.code, document.title, document.detail
        self.request_id, self.errors = document.request_id, document.errors
        self.needed, self.available = document.needed, document.available


class Unreachable(DarkroomError):
    """No answer came. What was asked may have been carried out: call again with the same
    `idempotency_key`, if the request took one, and it is done once.
    """

    def __init__(self, reason: str, idempotency_key: str | None = None) -> None:
        super().__init__(reason)
        self.idempotency_key = idempotency_key


class BadAnswer(DarkroomError):
    """What came cannot be read, or there is too much of it."""


class NotFromDarkroom(DarkroomError):
    """Do not believe this webhook: answer 400 or 401."""
