"""What a request says beside its path and body: who asks, under which ids, and what it prefers."""

import re
from typing import Any, cast

from litestar.types import Scope
from msgspec import Struct

from adapters.http_server import AnyRequest
from application.clock import fresh_commit_id
from contracts.commit import CommitRequest
from contracts.ids import AccountId, BadId, checked
from services.api.dependencies import Api, Injected
from services.api.handlers.callers import Caller

_CONTEXT, _REQUEST_ID = "darkroom_context", "darkroom_request_id"
_TRACE = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)


class RequestContext(Struct, kw_only=True):
    """What a handler that writes knows of its request. `path` and `idempotency_key` name what is
    asked for; `request_id` and `trace_id` are stored with the events that it causes.
    """

    caller: Caller
    path: str
    request_id: str
    trace_id: str | None = None
    idempotency_key: str | None = None  # Its form was checked by the guard.
    prefer: str = ""  # The header `Prefer` (RFC 7240).
    is_carried_out: bool = False  # Then a later failure does not mean that nothing was done.

    @property
    def account(self) -> AccountId:
        return self.caller.account_id

    def commit_request(self) -> CommitRequest:
        """Return who asked, under which id and trace, as a commit stores it."""
        actor, request_id, trace_id = self.caller.actor, self.request_id, self.trace_id
        return CommitRequest(actor=actor, correlation_id=request_id, events=(), trace_id=trace_id)


def caller_of(scope: Scope, api: Injected[Api]) -> Caller:
    """Return whom the guard let in. `api` is a parameter only to make Litestar resolve one after
    the other: independent dependencies become a group of tasks, 55 us more for each request.
    """
    del api
    caller: Caller = scope["user"]
    return caller


def context_of(request: AnyRequest, caller: Injected[Caller]) -> RequestContext:
    context = RequestContext(
        caller=caller,
        path=request.url.path,
        request_id=request_id_of(request),
        trace_id=trace_id_of(request),
        idempotency_key=request.headers.get("idempotency-key"),
        prefer=request.headers.get("prefer", ""),
    )
    _kept(request)[_CONTEXT] = context
    return context


def is_carried_out(request: AnyRequest) -> bool:
    """Tell whether what the request asked for was committed before it failed."""
    context: RequestContext | None = _kept(request).get(_CONTEXT)
    return context is not None and context.is_carried_out


def request_id_of(request: AnyRequest) -> str:
    """Return the id under which this request is found in logs and events."""
    kept = _kept(request)
    if _REQUEST_ID not in kept:
        try:
            kept[_REQUEST_ID] = checked(request.headers.get("x-request-id", ""))
        except BadId:
            kept[_REQUEST_ID] = fresh_commit_id()
    return str(kept[_REQUEST_ID])


def trace_id_of(request: AnyRequest) -> str | None:
    """Return the trace id of a W3C `traceparent` header, None without a well-formed one."""
    found = _TRACE.fullmatch(request.headers.get("traceparent", ""))
    return found[1] if found else None


def _kept(request: AnyRequest) -> dict[str, Any]:
    """Return where a value is kept until the request is answered."""
    return cast("dict[str, Any]", request.scope)
