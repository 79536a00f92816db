"""Idempotency: a request that comes again with its Idempotency-Key gets the answer of the first."""

from collections.abc import Awaitable, Callable

import msgspec
from msgspec import Struct, structs

from adapters.problems import STATUSES
from application.account_commands import CommandResult
from contracts.events.account import Role
from contracts.ids import AccountId
from contracts.sealed import Sealed
from domain.account import AccountCommand
from domain.account_batch import AccountRequest
from domain.refusals import Refused
from services.api.dependencies import Api
from services.api.handlers.request_context import RequestContext

# Statuses that a repeat can be refused with because its first try changed the account.
MAY_BE_A_REPEAT = {402, 404, 409}
IN_FLIGHT = "idempotency_in_flight"
KEY_USED_OTHERWISE = "the key was used for something else"

# Checks what is asked and makes the command; it is not called for a repeat.
Prepare = Callable[[], Awaitable[AccountCommand]]


class NoBody(Struct, frozen=True):
    """The content of a request without a body, for the fingerprint of its Idempotency-Key."""


class Key(Struct, frozen=True, kw_only=True):
    """An Idempotency-Key as the log stores it. Each kind of caller has a namespace of its own, so
    that nobody can take the keys of another: `own:`, `service:`, `issuer:` of operators, and
    `cli:` of the command line. `whole` is the key of the request of which this is one part.
    """

    text: str | None = None
    fingerprint: str | None = None
    whole: str | None = None


NO_KEY = Key()


async def execute_once(
    api: Api,
    context: RequestContext,
    body: Struct,
    prepare: Prepare,
    *,
    issuer_of: AccountId | None = None,
) -> CommandResult:
    """Return the result that the request got already, else execute the command it asks for. An
    operator or a service acts on the account `issuer_of`; without it, it is the caller's own.
    """
    key = _key(api, context, body, is_issuer=issuer_of is not None)
    return await _execute_once(api, context, issuer_of or context.account, key, prepare)


async def execute_part_once(
    api: Api, context: RequestContext, body: Struct, part: str, prepare: Prepare
) -> CommandResult:
    """As `execute_once`, for one of the many things that the request asks for."""
    key = _key(api, context, body)
    if key is not NO_KEY:
        text = f"each:{part}:{context.idempotency_key}"
        key = Key(text=text, fingerprint=key.fingerprint, whole=key.text)
    return await _execute_once(api, context, context.account, key, prepare)


async def execute(
    api: Api, context: RequestContext, command: AccountCommand, account: AccountId
) -> CommandResult:
    """Execute a command that is harmless to repeat, and so needs no key."""
    result = await api.accounts.execute(account, _request(context, command, NO_KEY))
    return _noted(api, context, account, result)


async def check_key(api: Api, context: RequestContext, body: Struct) -> None:
    """Raise Refused when the request's key was used with another content."""
    await _earlier(api, context.account, _key(api, context, body), fresh=False)


async def seal_for_repeat(
    api: Api, context: RequestContext, account: AccountId, secret: str
) -> Sealed | None:
    """Seal a secret that the answer shows, if a repeat of the request can ask for it again."""
    if context.idempotency_key is None:
        return None
    return await api.vault.seal(account, secret.encode())


async def unseal_for_repeat(api: Api, account: AccountId, sealed: Sealed | None) -> str:
    """Return the secret that the first answer showed; raise Refused when nobody can read it."""
    secret = await api.vault.unseal_text(account, sealed)
    if secret is None:
        raise Refused("not_found", "the secret can no longer be read")
    return secret


def _key(api: Api, context: RequestContext, body: Struct, *, is_issuer: bool = False) -> Key:
    """Return the request's key. Its fingerprint names what was asked, in whatever order, so that
    the key cannot be used for something else.
    """
    if context.idempotency_key is None:
        return NO_KEY
    namespace = "own"
    if is_issuer:
        kind = "service" if context.caller.role is Role.SERVICE else "issuer"
        namespace = f"{kind}:{context.account}"
    path = context.path.removeprefix("/api").strip("/")
    content = msgspec.json.encode([path, structs.asdict(body)], order="deterministic")
    fingerprint = api.fingerprints.of(context.account, content)
    return Key(text=f"{namespace}:{context.idempotency_key}", fingerprint=fingerprint)


async def _execute_once(
    api: Api, context: RequestContext, account: AccountId, key: Key, prepare: Prepare
) -> CommandResult:
    try:
        result = await _earlier(api, account, key, fresh=False)
        if result is None:
            command = await prepare()
            result = await api.accounts.execute(account, _request(context, command, key))
    except Refused as refused:
        if STATUSES[refused.code] not in MAY_BE_A_REPEAT or refused.code == IN_FLIGHT:
            raise
        # What refuses it may be what the first try made: then the first result is the answer.
        result = await _earlier(api, account, key, fresh=True)
        if result is None:
            raise
    return _noted(api, context, account, result)


def _noted(
    api: Api, context: RequestContext, account: AccountId, result: CommandResult
) -> CommandResult:
    api.note_write(account, result.sequence)
    context.is_carried_out = True
    return result


async def _earlier(api: Api, account: AccountId, key: Key, *, fresh: bool) -> CommandResult | None:
    if key.text is None or key.fingerprint is None:
        return None
    return await api.accounts.earlier_result(account, key.text, key.fingerprint, fresh=fresh)


def _request(context: RequestContext, command: AccountCommand, key: Key) -> AccountRequest:
    return AccountRequest(
        command=command,
        actor=context.caller.actor,
        correlation_id=context.request_id,
        idempotency_key=key.text,
        whole_key=key.whole,
        fingerprint=key.fingerprint,
        trace_id=context.trace_id,
    )
