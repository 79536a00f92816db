"""Answers a request once: the same Idempotency-Key and body get the same answer."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from msgspec import Struct, structs

from adapters.http_server import AnyRequest
from application.account_commands import CommandResult
from contracts.events.account import Role
from contracts.ids import AccountId
from contracts.sealed import Sealed
from domain.account import AccountCommand
from domain.account_batch import AccountRequest
from domain.refusals import CODES, Refused
from services.api.dependencies import api_of
from services.api.handlers.answer_errors import carried_out, request_id_of, trace_id_of
from services.api.handlers.authenticate_callers import Caller, caller_of

REPLAYED = {"Idempotency-Replayed": "true"}
MAY_HAVE_BEEN_ANSWERED = {402, 404, 409}  # What a request meets that its first try changed.

# Checks what is asked and makes the command; it is not called for a repeat.
Prepare = Callable[[], Awaitable[AccountCommand]]


class Nothing(Struct, frozen=True):
    """A body that says nothing, for an Idempotency-Key to stand for."""


class Done(Struct, frozen=True):
    """One of many things that a request asked for: what is shown of it, and where it stands."""

    shown: dict[str, Any]
    sequence: int
    replayed: bool = False


class Key(Struct, frozen=True, kw_only=True):
    """An Idempotency-Key as it stands in the log. Each kind of asker has a namespace of its own,
    so that nobody can take the keys of another: `own:`, `service:`, `issuer:` of operators, and
    `cli:` of the command line.
    """

    text: str
    fingerprint: str
    whole: str | None = None


async def answer_once(
    request: AnyRequest, body: Struct, prepare: Prepare, *, issuer_of: AccountId | None = None
) -> CommandResult:
    """Return the answer that the request got already, else what the account makes of it.

    `issuer_of` is the account that an operator or a service acts on; else it is the caller's own.
    """
    account = caller_of(request).account_id if issuer_of is None else issuer_of
    return await _answer(request, account, key_of(request, body, issuer=bool(issuer_of)), prepare)


async def answer_each_once(
    request: AnyRequest, body: Struct, each: str, prepare: Prepare
) -> CommandResult:
    """As `answer_once`, for one of the many things that the request asks for."""
    key = key_of(request, body)
    if key is not None:
        raw = request.headers["idempotency-key"]
        key = Key(text=f"each:{each}:{raw}", fingerprint=key.fingerprint, whole=key.text)
    return await _answer(request, caller_of(request).account_id, key, prepare)


async def ask(
    request: AnyRequest, command: AccountCommand, account: AccountId | None = None
) -> CommandResult:
    """Put before the account what is harmless to repeat, and takes no key."""
    account = account or caller_of(request).account_id
    granted = await api_of(request).accounts.execute(account, _wish(request, command, None))
    api_of(request).note_write(account, granted.sequence)
    carried_out(request)
    return granted


async def check_key(request: AnyRequest, body: Struct) -> None:
    """Raise Refused when the request's key stands for other content."""
    key = key_of(request, body)
    if key is not None:
        account = caller_of(request).account_id
        await api_of(request).accounts.earlier_result(account, key.text, key.fingerprint)


def headers_of(request: AnyRequest, granted: CommandResult) -> dict[str, str]:
    """Say where the answer stands in the log, and whether it was given before."""
    headers = {"Darkroom-As-Of": api_of(request).cursor(granted.sequence)}
    return headers | (REPLAYED if granted.replayed else {})


async def answerable(request: AnyRequest, account: AccountId, secret: str) -> Sealed | None:
    """Seal a secret that the answer shows, where a repeat may ask for it again."""
    if idempotency_key_of(request) is None:
        return None
    return await api_of(request).vault.seal(account, secret.encode())


def key_of(request: AnyRequest, body: Struct, *, issuer: bool = False) -> Key | None:
    key = idempotency_key_of(request)
    if key is None:
        return None
    return Key(
        text=f"{_scope(caller_of(request), issuer)}:{key}",
        fingerprint=fingerprint_of(request, body),
    )


def _scope(caller: Caller, issuer: bool) -> str:  # noqa: FBT001
    if not issuer:
        return "own"
    kind = "service" if caller.role is Role.SERVICE else "issuer"
    return f"{kind}:{caller.account_id}"


def idempotency_key_of(request: AnyRequest) -> str | None:
    """Return the key, whose form was checked at the door."""
    return request.headers.get("idempotency-key")


def fingerprint_of(request: AnyRequest, body: Struct) -> str:
    """Name what was asked, in whatever order, so that a key cannot be used for something else."""
    path = request.url.path.removeprefix("/api").strip("/")
    content = msgspec.json.encode([path, structs.asdict(body)], order="deterministic")
    return api_of(request).fingerprints.of(caller_of(request).account_id, content)


async def _answer(
    request: AnyRequest, account: AccountId, key: Key | None, prepare: Prepare
) -> CommandResult:
    api = api_of(request)
    try:
        granted = await _earlier(request, account, key, fresh=False)
        if granted is None:
            command = await prepare()
            granted = await api.accounts.execute(account, _wish(request, command, key))
    except Refused as refused:
        if refused.code == "idempotency_in_flight" or not _may_be_a_repeat(refused):
            raise
        # What stands in the way may be what the first try made: then that is the answer.
        granted = await _earlier(request, account, key, fresh=True)
        if granted is None:
            raise
    api.note_write(account, granted.sequence)
    carried_out(request)
    return granted


def _may_be_a_repeat(refused: Refused) -> bool:
    status, _ = CODES[refused.code]
    return status in MAY_HAVE_BEEN_ANSWERED


async def _earlier(
    request: AnyRequest, account: AccountId, key: Key | None, *, fresh: bool
) -> CommandResult | None:
    if key is None:
        return None
    desk = api_of(request).accounts
    return await desk.earlier_result(account, key.text, key.fingerprint, fresh=fresh)


def _wish(request: AnyRequest, command: AccountCommand, key: Key | None) -> AccountRequest:
    return AccountRequest(
        command=command,
        actor=caller_of(request).actor,
        correlation_id=request_id_of(request),
        idempotency_key=key.text if key is not None else None,
        whole_key=key.whole if key is not None else None,
        fingerprint=key.fingerprint if key is not None else None,
        trace_id=trace_id_of(request),
    )
