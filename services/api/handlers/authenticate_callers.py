"""Authentication: whose token this is, and what its role may do. Deny by default."""

import asyncio
import hashlib
import re

from litestar.handlers import BaseRouteHandler
from msgspec import Struct

from adapters.http_server import AnyConnection, AnyRequest
from contracts.announcement import Announcement
from contracts.commit import Request
from contracts.events.account import Role
from contracts.ids import AccountId
from domain.refusals import Refused
from read_models import access_tokens
from read_models.access_tokens import AccessToken
from services.api.dependencies import Api
from services.api.handlers.answer_errors import request_id_of, trace_id_of

TOKEN_FORM = re.compile(r"dkr_[A-Za-z0-9_-]{43}", re.ASCII)
CACHE_SECONDS = 5.0
CACHED_MAX = 10_000


class Caller(Struct, frozen=True):
    account_id: AccountId
    role: Role
    token_id: str

    @property
    def actor(self) -> str:
        return f"token:{self.token_id}"


class Authenticator:
    """Looks tokens up by hash. A revoked one is forgotten as soon as the projector tells, and
    after 5 s in any case.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[str, tuple[float, Caller]] = {}
        self._checked: dict[str, float] = {}
        api.changes.listen(self._forget)

    async def caller(self, authorization: str) -> Caller:
        """Return who sent this header; raise Refused `unauthorized`."""
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() not in {"token", "bearer"} or TOKEN_FORM.fullmatch(token) is None:
            raise Refused("unauthorized", "send `Authorization: Token <token>`")
        sha256 = hashlib.sha256(token.encode()).hexdigest()
        clock = asyncio.get_running_loop().time()
        cached = self._known.get(sha256)
        if cached is not None and clock - cached[0] < CACHE_SECONDS:
            return cached[1]
        found = await self._find(sha256)
        if found is None:
            # It may be newer than the read models: look again once they reach the log's end.
            await self._api.changes.wait_for(await self._api.log.end())
            found = await self._find(sha256)
        if found is None:
            raise Refused("unauthorized", "the token is unknown or revoked")
        caller = Caller(found.account_id, found.role, found.token_id)
        if len(self._known) >= CACHED_MAX:
            self._known.clear()
        self._known[sha256] = (clock, caller)
        return caller

    async def is_valid(self, caller: Caller) -> bool:
        """Tell whether the caller's token still holds, for those who stay connected."""
        clock = asyncio.get_running_loop().time()
        checked_at = self._checked.get(caller.token_id, -CACHE_SECONDS)
        if clock - checked_at < CACHE_SECONDS:
            return True
        holds = await self._api.database.read(
            lambda connection: access_tokens.holds(connection, caller.token_id)
        )
        if holds:
            self._checked[caller.token_id] = clock
        return holds

    async def _find(self, sha256: str) -> AccessToken | None:
        return await self._api.database.read(
            lambda connection: access_tokens.by_hash(connection, sha256)
        )

    def _forget(self, heard: Announcement) -> None:
        lost_some = heard.previous > self._api.changes.position
        if lost_some or any(row.table == "access_tokens" for row in heard.rows):
            self._known.clear()
            self._checked.clear()


def asked_by(request: AnyRequest) -> Request:
    """Return who asked, under which id and trace, as a commit holds it."""
    return Request(
        actor=caller_of(request).actor,
        correlation_id=request_id_of(request),
        events=(),
        trace_id=trace_id_of(request),
    )


def caller_of(request: AnyRequest) -> Caller:
    caller: Caller = request.scope["user"]
    return caller


async def require_token(connection: AnyConnection, _handler: BaseRouteHandler) -> None:
    """Guard: a valid token; and reads that are as new as the caller has a right to."""
    authenticator: Authenticator = connection.app.state["authenticator"]
    api: Api = connection.app.state["api"]
    caller = await authenticator.caller(connection.headers.get("authorization", ""))
    connection.scope["user"] = caller
    api.usage.take(f"token:{caller.token_id}", api.settings.account_reads_per_minute)
    if connection.scope.get("method") == "GET":
        await api.freshen(caller.account_id, connection.query_params.get("min_as_of"))


async def require_member(connection: AnyConnection, handler: BaseRouteHandler) -> None:
    """Guard: whoever may read what people wrote. A product's back end may not."""
    await require_token(connection, handler)
    if connection.scope["user"].role is Role.SERVICE:
        raise Refused("forbidden", "a service reads no prompts and asks for no work")


async def require_operator(connection: AnyConnection, handler: BaseRouteHandler) -> None:
    await require_token(connection, handler)
    if connection.scope["user"].role is not Role.OPERATOR:
        raise Refused("forbidden", "this path is for operators")
