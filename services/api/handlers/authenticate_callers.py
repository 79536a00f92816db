"""Authentication: whose token this is, and what its role may do. Deny by default."""

import asyncio
import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from weakref import WeakSet

import structlog
from litestar.handlers import BaseRouteHandler
from msgspec import Struct

from adapters.database import DatabaseUnavailable
from adapters.http_server import AnyConnection, AnyRequest
from contracts.announcement import Announcement
from contracts.commit import CommitRequest
from contracts.events.account import Role
from contracts.ids import AccountId
from domain.refusals import Refused
from read_models import access_tokens
from read_models.access_tokens import AccessToken
from services.api.dependencies import Api
from services.api.handlers.answer_errors import request_id_of, trace_id_of

logger = structlog.get_logger()

TOKEN_FORM = re.compile(r"dkr_[A-Za-z0-9_-]{43}", re.ASCII)
CACHE_SECONDS = 1.0
CACHED_MAX = 10_000
RECHECK_SECONDS = 0.8  # In case that the announcement of a revocation was lost.
TOKENS_A_LOOK = 500


class Caller(Struct, frozen=True):
    account_id: AccountId
    role: Role
    token_id: str

    @property
    def actor(self) -> str:
        return f"token:{self.token_id}"


class Stay:
    """Somebody who stays connected while their token holds; then `wake` is called."""

    def __init__(self, caller: Caller, wake: Callable[[], None]) -> None:
        self.caller = caller
        self.is_over = False
        self._wake = wake

    def end(self) -> None:
        self.is_over = True
        self._wake()


class Authenticator:
    """Looks tokens up by hash. A revoked one is forgotten, and who stays connected with it is
    sent away, as soon as the projector tells; within a second in any case.
    """

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[str, tuple[float, Caller]] = {}
        self._forgotten_times = 0
        self._stays: dict[str, WeakSet[Stay]] = {}
        self._doubted: set[str] = set()
        self._has_doubts = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self._heard = 0
        api.changes.listen(self._hear)

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
        forgotten_times = self._forgotten_times
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
        if forgotten_times == self._forgotten_times:  # Else it may have been revoked meanwhile.
            self._known[sha256] = (clock, caller)
        return caller

    async def is_valid(self, caller: Caller) -> bool:
        """Tell whether the token that a ticket stands for still holds."""
        return await self._api.database.read(access_tokens.holds, caller.token_id)

    def follow(self, stay: Stay) -> None:
        """End the stay once its token holds no more. Who is gone without a word is forgotten."""
        self._stays.setdefault(stay.caller.token_id, WeakSet()).add(stay)
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch())

    def unfollow(self, stay: Stay) -> None:
        self._stays.get(stay.caller.token_id, WeakSet()).discard(stay)

    @contextmanager
    def following(self, caller: Caller, wake: Callable[[], None]) -> Iterator[Stay]:
        """Follow for as long as a request waits: `wake` ends its pause, `is_over` says why."""
        stay = Stay(caller, wake)
        self.follow(stay)
        try:
            yield stay
        finally:
            self.unfollow(stay)

    async def _watch(self) -> None:
        """Nothing is awaited between its end and its going: whoever comes next begins anew."""
        while self._stays:
            await self._doubt()
            self._stays = {token: stays for token, stays in self._stays.items() if stays}
            doubted = [each for each in self._doubted or self._stays if each in self._stays]
            self._doubted.clear()
            try:
                await self._end_revoked(doubted)
            except DatabaseUnavailable as error:
                logger.warning("revocations_wait", reason=repr(error))
            except Exception as error:
                logger.exception("revocations_wait", exc_info=error)
        self._watching = None

    async def _doubt(self) -> None:
        """Return when some tokens are doubted, or when it is time to look at all of them."""
        try:
            async with asyncio.timeout(RECHECK_SECONDS):
                await self._has_doubts.wait()
        except TimeoutError:
            self._doubted.clear()
        self._has_doubts.clear()

    async def _end_revoked(self, tokens: list[str]) -> None:
        for start in range(0, len(tokens), TOKENS_A_LOOK):
            look = partial(access_tokens.revoked_among, token_ids=tokens[start:][:TOKENS_A_LOOK])
            for token in await self._api.database.read(look):
                for stay in list(self._stays.get(token, ())):
                    stay.end()

    async def _find(self, sha256: str) -> AccessToken | None:
        return await self._api.database.read(access_tokens.by_hash, sha256)

    def _hear(self, heard: Announcement) -> None:
        """Where an announcement was lost, any token may have been revoked."""
        is_gap, self._heard = heard.previous > self._heard, heard.position
        doubted = {row.id for row in heard.rows if row.table == "access_tokens"}
        if not (is_gap or doubted):
            return
        self._known.clear()
        self._forgotten_times += 1
        self._doubted |= self._stays.keys() if is_gap else doubted
        self._has_doubts.set()


def asked_by(request: AnyRequest) -> CommitRequest:
    """Return who asked, under which id and trace, as a commit holds it."""
    return CommitRequest(
        actor=caller_of(request).actor,
        correlation_id=request_id_of(request),
        events=(),
        trace_id=trace_id_of(request),
    )


def caller_of(request: AnyRequest) -> Caller:
    caller: Caller = request.scope["user"]
    return caller


def authenticator_of(connection: AnyConnection) -> Authenticator:
    found: Authenticator = connection.app.state["authenticator"]
    return found


def count_reads(connection: AnyConnection, weight: int) -> None:
    """Count a request, or as many as it stands for; raise Refused `rate_limited`."""
    api: Api = connection.app.state["api"]
    caller: Caller = connection.scope["user"]
    api.usage.take(f"token:{caller.token_id}", api.settings.account_reads_per_minute, weight)


async def require_token(connection: AnyConnection, _handler: BaseRouteHandler) -> None:
    """Guard: a valid token; and reads that are as new as the caller has a right to."""
    api: Api = connection.app.state["api"]
    caller = await authenticator_of(connection).caller(connection.headers.get("authorization", ""))
    connection.scope["user"] = caller
    count_reads(connection, 1)
    if connection.scope.get("method") == "GET":
        await api.wait_until_current(caller.account_id, connection.query_params.get("min_as_of"))


async def require_member(connection: AnyConnection, handler: BaseRouteHandler) -> None:
    """Guard: whoever may read what people wrote. A product's back end may not."""
    await require_token(connection, handler)
    if connection.scope["user"].role is Role.SERVICE:
        raise Refused("forbidden", "a service reads no prompts and asks for no work")


async def require_operator(connection: AnyConnection, handler: BaseRouteHandler) -> None:
    await require_token(connection, handler)
    if connection.scope["user"].role is not Role.OPERATOR:
        raise Refused("forbidden", "this path is for operators")
