"""Issues, lists and revokes access tokens, and grants credits: for operators, and for the back
end of a product, which signs up its users with a token of the role `service`.
"""

from typing import Annotated, Any

from litestar import Response, delete, get, post
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta, Struct, structs

from adapters.access_tokens import fresh_token
from application.documents import CreditsDocument, Time, credits_document
from application.recording import record
from contracts.events import AccessTokenIssued, OperatorActed
from contracts.events.account import Role
from contracts.ids import AccountId, BadId, TokenId, account_id
from domain import tokens
from domain.account import GrantCredits
from domain.refusals import invalid
from domain.text import Line
from domain.times import text_of
from read_models import access_tokens, accounts
from read_models.access_tokens import AccessToken
from services.api.dependencies import Api, Injected
from services.api.handlers.answers import NO_STORE, no_content, of_result
from services.api.handlers.callers import Caller
from services.api.handlers.guard_requests import operators_only
from services.api.handlers.idempotency import (
    execute,
    execute_once,
    seal_for_repeat,
    unseal_for_repeat,
)
from services.api.handlers.request_context import RequestContext


class NewToken(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    account: str
    role: Role = Role.USER


class Grant(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`amount` is in credits."""

    amount: int
    reason: Annotated[Line, Meta(min_length=1, max_length=200)]


class IssuedToken(Struct, frozen=True, kw_only=True):
    """A new token: `token` is the secret that is sent, `id` names it for revoking."""

    id: TokenId
    token: str
    account: AccountId
    role: Role
    as_of: str


class TokenDocument(Struct, frozen=True, kw_only=True):
    """A token, without its secret."""

    id: TokenId
    account: AccountId
    role: Role
    revoked: bool
    created_at: Time


class TokenList(Struct, frozen=True, kw_only=True):
    """Tokens, oldest first."""

    items: list[TokenDocument]
    as_of: str


class AccountCredits(CreditsDocument, frozen=True, kw_only=True):
    """An account and its credits after a grant."""

    account: AccountId


@post("/tokens", status_code=201)
async def issue_token(
    api: Injected[Api], context: Injected[RequestContext], data: JSONBody[NewToken]
) -> Response[IssuedToken]:
    """Issue a token; its secret is shown once, or again under the same Idempotency-Key. A service
    issues tokens of users only, of accounts that it made or that do not exist yet.
    """
    account = _account(data.account, "account")
    tokens.check_may_issue(context.caller.role, data.role)
    fresh = fresh_token(data.role)

    async def prepare() -> tokens.IssueToken:
        await _take_work(api, context.caller)
        secret = await seal_for_repeat(api, context, account, fresh.secret)
        return structs.replace(fresh.command, by=_issuer(context.caller), secret=secret)

    result = await execute_once(api, context, data, prepare, issuer_of=account)
    issued = next(each for each in result.events if isinstance(each, AccessTokenIssued))
    secret = fresh.secret
    if result.replayed:
        secret = await unseal_for_repeat(api, account, issued.secret)
    else:
        after = {"token_id": issued.token_id, "account": account}
        await _record_act(api, context.caller, "tokens.issue", after)
    shown = IssuedToken(
        id=issued.token_id,
        token=secret,
        account=account,
        role=issued.role,
        as_of=api.cursor(result.sequence),
    )
    return of_result(result, shown, 201, NO_STORE)


@get("/tokens", guards=[operators_only])
async def list_tokens(api: Injected[Api], account: FromQuery[str | None] = None) -> TokenList:
    """List tokens, oldest first; never their secrets."""
    owner = _account(account, "account") if account else None
    found = await api.database.read(access_tokens.of_account, owner)
    return TokenList(items=[_document(each) for each in found], as_of=api.as_of())


@delete("/tokens/{id:str}", status_code=204)
async def revoke_token(
    api: Injected[Api], context: Injected[RequestContext], id: FromPath[str]
) -> Response[None]:
    """Revoke a token; what it has open ends. A service revokes those of its own users only."""
    caller = context.caller
    found = await _token(api, id)
    if found is None:
        raise tokens.no_such_token()
    tokens.check_may_revoke(caller.role, found.role)
    command = tokens.RevokeToken(TokenId(id), _issuer(caller))
    result = await execute(api, context, command, found.account_id)
    if result.events:
        after = {"token_id": id, "account": found.account_id}
        await _record_act(api, caller, "tokens.revoke", after)
    await api.changes.wait_for(result.sequence)
    return no_content(api.as_of())


@post("/accounts/{id:str}/grant", status_code=200)
async def grant_credits(
    api: Injected[Api], context: Injected[RequestContext], id: FromPath[str], data: JSONBody[Grant]
) -> Response[AccountCredits]:
    """Grant credits to an account; a service, to those that it made or that do not exist yet."""
    account = _account(id, "id")

    async def prepare() -> GrantCredits:
        await _take_work(api, context.caller)
        return GrantCredits(data.amount, data.reason, _issuer(context.caller))

    result = await execute_once(api, context, data, prepare, issuer_of=account)
    if not result.replayed:
        after = {"account": account, "amount": data.amount}
        await _record_act(api, context.caller, "accounts.grant", after)
    await api.changes.wait_for(result.sequence)
    balance = await api.database.read(accounts.as_of, account, result.sequence)
    credit = credits_document(balance.account, api.cursor(result.sequence))
    return of_result(result, AccountCredits(account=account, **structs.asdict(credit)), 200)


def _issuer(caller: Caller) -> AccountId | None:
    return tokens.issuer_of(caller.role, caller.account_id)


async def _take_work(api: Api, caller: Caller) -> None:
    """Hold a service to the limits; an operator may have to write in order to mend what is full."""
    if caller.role is not Role.OPERATOR:
        await api.take_work(caller.account_id)


async def _token(api: Api, text: str) -> AccessToken | None:
    """Return the token. A miss is looked up again in rows that have reached the log's end."""
    found = await api.database.read(access_tokens.find, text)
    if found is None:
        await api.changes.wait_for(await api.log.end())
        found = await api.database.read(access_tokens.find, text)
    return found


async def _record_act(api: Api, caller: Caller, action: str, after: dict[str, Any]) -> None:
    """Record what an operator did. The events of a service's act name it as their actor anyway."""
    if caller.role is Role.OPERATOR:
        event = OperatorActed(operator=caller.actor, action=action, why="", after=after)
        await record(api.log, event)


def _account(text: str, field: str) -> AccountId:
    try:
        return account_id(text)
    except BadId:
        raise invalid(field, "must be 1 to 64 of A-Z, a-z, 0-9, _ and -") from None


def _document(token: AccessToken) -> TokenDocument:
    return TokenDocument(
        id=TokenId(token.token_id),
        account=token.account_id,
        role=token.role,
        revoked=token.revoked,
        created_at=text_of(token.created_at),
    )
