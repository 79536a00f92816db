"""Callers: whose token a request carries, and who stays connected with one."""

import asyncio
import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from weakref import WeakSet

import structlog
from msgspec import Struct

from adapters.changes import Changes
from adapters.database import Database, DatabaseUnavailable
from application.event_log import EventLog
from contracts.announcement import Announcement
from contracts.events.account import Role
from contracts.ids import AccountId
from domain.refusals import Refused
from read_models import access_tokens
from read_models.access_tokens import AccessToken

logger = structlog.get_logger()

TOKEN_FORM = re.compile(r"dkr_[A-Za-z0-9_-]{43}", re.ASCII)
NOT_SENT = "send `Authorization: Token <token>`: a whole token is `dkr_` and 43 characters"
CACHE_SECONDS = 1.0
CACHED_MAX = 10_000
RECHECK_SECONDS = 0.8  # The announcement of a revocation may be lost.
TOKENS_A_QUERY = 500


class Caller(Struct, frozen=True):
    """Who sent a request: an account, and the token that it used."""

    account_id: AccountId
    role: Role
    token_id: str

    @property
    def actor(self) -> str:
        return f"token:{self.token_id}"


class ConnectedCaller:
    """A caller whose stream is open, or whose request waits for a change. When the token is
    revoked, `is_over` becomes true and `wake` is called.
    """

    def __init__(self, caller: Caller, wake: Callable[[], None]) -> None:
        self.caller = caller
        self.is_over = False
        self._wake = wake

    def end(self) -> None:
        self.is_over = True
        self._wake()


class Authenticator:
    """Looks tokens up by their hash, and remembers them for a second. When the projector announces
    a revocation, the cache is emptied and callers who are connected with that token are ended; if
    the announcement was lost, that happens within a second.
    """

    def __init__(self, database: Database, changes: Changes, log: EventLog) -> None:
        self._database, self._changes, self._log = database, changes, log
        self._cache: dict[str, tuple[float, Caller]] = {}
        self._times_emptied = 0
        self._connected: dict[str, WeakSet[ConnectedCaller]] = {}
        self._to_check: set[str] = set()
        self._has_some_to_check = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self._announced = 0
        changes.listen(self._on_announcement)

    async def caller(self, authorization: str) -> Caller:
        """Return who sent this header; raise Refused `unauthorized`."""
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() not in {"token", "bearer"} or TOKEN_FORM.fullmatch(token) is None:
            raise Refused("unauthorized", NOT_SENT)
        sha256 = hashlib.sha256(token.encode()).hexdigest()
        clock = asyncio.get_running_loop().time()
        cached = self._cache.get(sha256)
        if cached is not None and clock - cached[0] < CACHE_SECONDS:
            return cached[1]
        times_emptied = self._times_emptied
        found = await self._find(sha256)
        if found is None:
            # It may be newer than the read models: look again once they reach the log's end.
            await self._changes.wait_for(await self._log.end())
            found = await self._find(sha256)
        if found is None:
            raise Refused("unauthorized", "the token is unknown or revoked")
        caller = Caller(found.account_id, found.role, found.token_id)
        if len(self._cache) >= CACHED_MAX:
            self._cache.clear()
        if times_emptied == self._times_emptied:  # Else it may have been revoked meanwhile.
            self._cache[sha256] = (clock, caller)
        return caller

    async def is_valid(self, caller: Caller) -> bool:
        """Tell whether the token that a ticket was issued for is still valid."""
        return await self._database.read(access_tokens.holds, caller.token_id)

    def follow(self, connected: ConnectedCaller) -> None:
        """End this caller's connection once the token is revoked. The reference is weak: a
        connection that is gone needs no `unfollow`.
        """
        self._connected.setdefault(connected.caller.token_id, WeakSet()).add(connected)
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch())

    def unfollow(self, connected: ConnectedCaller) -> None:
        self._connected.get(connected.caller.token_id, WeakSet()).discard(connected)

    @contextmanager
    def following(self, caller: Caller, wake: Callable[[], None]) -> Iterator[ConnectedCaller]:
        """Follow the caller while a request waits: `wake` ends its pause, `is_over` says why."""
        connected = ConnectedCaller(caller, wake)
        self.follow(connected)
        try:
            yield connected
        finally:
            self.unfollow(connected)

    async def _watch(self) -> None:
        """Check tokens until nobody is connected. There is no await between the last look at
        `_connected` and `_watching = None`, so that `follow` never relies on a task that ends.
        """
        while self._connected:
            await self._wait_for_checks()
            self._connected = {
                name: callers for name, callers in self._connected.items() if callers
            }
            tokens = [each for each in self._to_check or self._connected if each in self._connected]
            self._to_check.clear()
            try:
                await self._end_revoked(tokens)
            except DatabaseUnavailable as error:
                logger.warning("revocations_wait", reason=repr(error))
            except Exception as error:
                logger.exception("revocations_wait", exc_info=error)
        self._watching = None

    async def _wait_for_checks(self) -> None:
        """Return when some tokens may be revoked, or when it is time to check all of them."""
        try:
            async with asyncio.timeout(RECHECK_SECONDS):
                await self._has_some_to_check.wait()
        except TimeoutError:
            self._to_check.clear()
        self._has_some_to_check.clear()

    async def _end_revoked(self, tokens: list[str]) -> None:
        for start in range(0, len(tokens), TOKENS_A_QUERY):
            asked = tokens[start:][:TOKENS_A_QUERY]
            for token in await self._database.read(access_tokens.revoked_among, token_ids=asked):
                for connected in list(self._connected.get(token, ())):
                    connected.end()

    async def _find(self, sha256: str) -> AccessToken | None:
        return await self._database.read(access_tokens.by_hash, sha256)

    def _on_announcement(self, announcement: Announcement) -> None:
        """Note revoked tokens. Where an announcement was lost, any token may be revoked."""
        is_gap = announcement.previous > self._announced
        self._announced = announcement.position
        changed = {row.id for row in announcement.rows if row.table == "access_tokens"}
        if not (is_gap or changed):
            return
        self._cache.clear()
        self._times_emptied += 1
        self._to_check |= self._connected.keys() if is_gap else changed
        self._has_some_to_check.set()
