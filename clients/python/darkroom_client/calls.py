"""Carries out operations: builds the request, repeats it where that is right, reads the answer."""

import asyncio
import random
import uuid
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from functools import cache
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode

import httpx
import msgspec
from msgspec import Struct, structs

from darkroom_client.connections import Connections
from darkroom_client.errors import (
    UNREADABLE,
    BadAnswer,
    DarkroomError,
    Problem,
    ProblemDocument,
    Unreachable,
)

ANSWER_BYTES_MAX = 64 * 1024 * 1024
PROBLEM_BYTES_MAX = 64 * 1024
ANSWER_SECONDS_MAX = 15.0  # Beside what an operation is asked to wait; and for a body.
CONNECT_SECONDS_MAX = 5.0
FIRST_PAUSE_SECONDS = 0.25
PAUSE_SECONDS_MAX = 8.0
# Answers of the server, or of a proxy before it, after which it is right to ask again.
COME_AGAIN = {429, 502, 503, 504}
GATEWAYS = {502, 504}  # What is behind them may have carried it out.
IN_FLIGHT = "idempotency_in_flight"

T = TypeVar("T")
Given = Mapping[str, Any]  # None stands for: not given.
NOTHING: Given = {}


class Operation(Struct, Generic[T], frozen=True):
    """One operation of the API. `answer` is the type that its answer is decoded to; None for one
    without a body. `is_keyed`: it makes something, once for each Idempotency-Key.
    """

    method: str
    path: str  # With {} for each part that is given.
    answer: Any = None
    is_keyed: bool = False


class Call(Struct, Generic[T], frozen=True):
    """An operation, and what it is given. `key` is the Idempotency-Key."""

    operation: Operation[T]
    parts: tuple[str, ...] = ()
    query: Given = NOTHING
    body: Any = None
    key: str | None = None
    headers: Given = NOTHING


class Answer(Struct, Generic[T], frozen=True):
    """An answer and what its headers say. `value` is None when nothing has changed (304)."""

    value: T
    status: int
    headers: httpx.Headers


class Patience(Struct, frozen=True):
    """How often, and for how many seconds in all, one call is tried."""

    attempts_max: int = 6
    seconds_max: float = 60.0


class Calls:
    """Carries out calls at one server, with one token."""

    def __init__(
        self, url: str, token: str, transport: httpx.AsyncBaseTransport, patience: Patience
    ) -> None:
        self.url = httpx.URL(url.rstrip("/"))
        if self.url.scheme not in {"http", "https"} or not self.url.host:
            raise ValueError(f"{url!r} is no http:// or https:// URL")
        self.base = self.url.path.rstrip("/")
        self._headers = {
            "host": self.url.netloc.decode("ascii"),
            "user-agent": "darkroom-client-python/1",
            "authorization": f"Token {token}",
        }
        self._transport, self._patience = transport, patience
        self._takes_target = isinstance(transport, Connections)

    async def value(self, call: Call[T]) -> T:
        """Carry out a call and return what is answered."""
        return (await self.answer(call)).value

    async def answer(self, call: Call[T], patience: Patience | None = None) -> Answer[T]:
        """Return the answer with its headers. Raise Problem when it is refused, Unreachable when
        none comes. Every try of one call has the same Idempotency-Key.
        """
        call, clock = _with_key(call), asyncio.get_running_loop().time
        patience = patience or self._patience
        deadline = clock() + patience.seconds_max
        attempt, was_lost = 0, False
        while True:
            attempt += 1
            try:
                return await self._tried(call, was_lost=was_lost)
            except Unreachable as error:
                failure: Unreachable | Problem = error
                was_lost = True
                pause = pause_before(attempt)
            except Problem as problem:
                if not is_passing(problem):
                    raise
                failure = problem
                was_lost |= problem.status in GATEWAYS or problem.code == "outcome_unknown"
                pause = max(problem.retry_after or 0.0, pause_before(attempt))
            if attempt >= patience.attempts_max or clock() + pause > deadline:
                raise failure
            await asyncio.sleep(pause)

    async def chunks(
        self, call: Call[Any], seconds: float = ANSWER_SECONDS_MAX
    ) -> AsyncGenerator[bytes, None]:
        """Yield an answer's bytes as they come, of which none may fail to come for `seconds`.
        It is tried once: what was yielded can't be taken back.
        """
        call = _with_key(call)
        try:
            response = await self._send(call, seconds)
            try:
                await _raise_problem(response)
                async for part in response.stream:  # type: ignore[union-attr]
                    yield part
            finally:
                await response.aclose()
        except httpx.TransportError as error:
            raise _unreachable(error, call) from error

    async def close(self) -> None:
        await self._transport.aclose()

    async def _tried(self, call: Call[T], *, was_lost: bool) -> Answer[T]:
        try:
            response = await self._send(call, ANSWER_SECONDS_MAX + _asked_to_wait(call))
            try:
                is_absent = response.status_code == httpx.codes.NOT_FOUND
                if is_absent and was_lost and call.operation.method == "DELETE":
                    return _answer_of(call, response, b"")  # An earlier try deleted it.
                await _raise_problem(response)
                return _answer_of(call, response, await _read(response, ANSWER_BYTES_MAX))
            finally:
                await response.aclose()
        except httpx.TransportError as error:
            raise _unreachable(error, call) from error

    async def _send(self, call: Call[T], seconds: float) -> httpx.Response:
        headers, content = self._headers, None
        if call.headers or call.key is not None or call.body is not None:
            headers = headers | {
                name: text for name, text in call.headers.items() if text is not None
            }
        if call.key is not None:
            headers["idempotency-key"] = call.key
        if call.body is not None:
            headers["content-type"] = "application/json"
            content = msgspec.json.encode(_given(call.body))
        elif call.operation.method != "GET":
            content = b""
        target = self._target(call)
        limits = {
            "connect": CONNECT_SECONDS_MAX,
            "pool": seconds,
            "read": seconds,
            "write": seconds,
        }
        extensions: dict[str, Any] = {"timeout": limits}
        url: str | httpx.URL = self.url
        if self._takes_target:
            extensions["target"] = target.encode("ascii")
        else:
            url = self.address(target)
        request = httpx.Request(
            call.operation.method, url, headers=headers, content=content, extensions=extensions
        )
        return await self._transport.handle_async_request(request)

    def address(self, target: str) -> str:
        """Return the whole URL of a path."""
        return f"{self.url.scheme}://{self._headers['host']}{target}"

    def _target(self, call: Call[T]) -> str:
        if not all(call.parts):
            raise ValueError("a part of the path is empty")
        path = self.base + call.operation.path
        if call.parts:
            path = path.format(*(quote(each, safe="") for each in call.parts))
        given = [(name, _text(each)) for name, each in call.query.items() if each is not None]
        return f"{path}?{urlencode(given)}" if given else path


def pause_before(attempt: int) -> float:
    """Return for how many seconds to wait after the try `attempt`, counted from 1."""
    longest = min(FIRST_PAUSE_SECONDS * 2.0 ** (attempt - 1), PAUSE_SECONDS_MAX)
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - Only to spread the load.


def is_passing(error: DarkroomError) -> bool:
    """Whether it is right to ask once more."""
    if isinstance(error, Problem):
        return error.status in COME_AGAIN or error.code == IN_FLIGHT
    return isinstance(error, Unreachable | BadAnswer)


def _with_key(call: Call[T]) -> Call[T]:
    if not call.operation.is_keyed or call.key is not None:
        return call
    return structs.replace(call, key=str(uuid.uuid4()))


def _given(body: Any) -> Any:
    """Leave out the fields that were not given."""
    if not isinstance(body, Mapping):
        return body
    return {name: value for name, value in body.items() if value is not None}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _asked_to_wait(call: Call[T]) -> float:
    """Return for how many seconds the server may wait with its answer."""
    preferred = str(call.headers.get("prefer") or "").partition("wait=")[2]
    with suppress(ValueError):
        return float(call.query.get("wait") or preferred or 0)
    return 0.0


def _unreachable(error: httpx.TransportError, call: Call[T]) -> Unreachable:
    return Unreachable(f"{type(error).__name__}: {error}", call.key)


async def _raise_problem(response: httpx.Response) -> None:
    status = response.status_code
    if status < httpx.codes.MULTIPLE_CHOICES or status == httpx.codes.NOT_MODIFIED:
        return
    if status < httpx.codes.BAD_REQUEST:
        raise BadAnswer(f"the answer leads elsewhere ({status}), which is not followed")
    try:
        document = msgspec.json.decode(
            await _read(response, PROBLEM_BYTES_MAX), type=ProblemDocument
        )
    except (*UNREADABLE, BadAnswer):  # A proxy's own page, for example.
        document = ProblemDocument(title=response.reason_phrase)
    after = response.headers.get("retry-after", "")
    is_number = after.isascii() and after.isdigit()
    raise Problem(status, document, float(after) if is_number else None)


async def _read(response: httpx.Response, bytes_max: int) -> bytes:
    """Read a body whole. One that comes in drops must end as well."""
    body = bytearray()
    try:
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            async for part in response.stream:  # type: ignore[union-attr]
                body += part
                if len(body) > bytes_max:
                    raise BadAnswer(f"the answer has more than {bytes_max} bytes")
    except TimeoutError as error:
        raise httpx.ReadTimeout("the answer did not end in time") from error
    return bytes(body)


def _answer_of(call: Call[T], response: httpx.Response, body: bytes) -> Answer[T]:
    value: Any = None
    if body and call.operation.answer is not None:
        try:
            value = _decoder(call.operation.answer).decode(body)
        except UNREADABLE as error:
            raise BadAnswer(f"{call.operation.path} answered otherwise: {error}") from error
    return Answer(value, response.status_code, response.headers)


@cache
def _decoder(answer: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(answer)
