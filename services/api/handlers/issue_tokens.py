"""Issues, lists and revokes access tokens, and grants credits: for operators, and for the back
end of a product, which signs up its users with a token of the role `service`.
"""

from typing import Annotated, Any

from litestar import Response, delete, get, post
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta, Struct, structs

from adapters.access_tokens import fresh_token
from adapters.http_server import AnyConnection, AnyRequest, AnyResponse
from application.documents import credits_document
from application.recording import record
from contracts.events import AccessTokenIssued, OperatorActed
from contracts.events.account import Role
from contracts.ids import AccountId, BadId, TokenId, account_id
from domain.account import GrantCredits
from domain.refusals import invalid
from domain.text import Line
from domain.times import text_of
from domain.tokens import (
    IssueToken,
    RevokeToken,
    check_is_issuer,
    check_is_operator,
    check_may_issue,
    check_may_revoke,
    issuer_of,
    no_such_token,
)
from read_models import access_tokens, accounts
from read_models.access_tokens import AccessToken
from services.api.dependencies import api_of
from services.api.handlers.answer_once import answer_once, answerable, ask, headers_of
from services.api.handlers.authenticate_callers import caller_of, require_token
from services.api.handlers.create_jobs import strict


class NewToken(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    account: str
    role: Role = Role.USER


class Grant(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`amount` is in credits."""

    amount: int
    reason: Annotated[Line, Meta(min_length=1, max_length=200)]


async def require_issuer(connection: AnyConnection, handler: BaseRouteHandler) -> None:
    """Guard: operators, and services, whose users' tokens and credits these are."""
    await require_token(connection, handler)
    check_is_issuer(connection.scope["user"].role)


@post("/tokens", status_code=201)
async def issue_token(request: AnyRequest, data: JSONBody[NewToken]) -> AnyResponse:
    """Issue a token; its secret is shown once, or again under the same Idempotency-Key. A service
    issues tokens of users only, of accounts that it made or that do not exist yet.
    """
    data = await strict(request, NewToken)
    account = _account(data.account, "account")
    check_may_issue(caller_of(request).role, data.role)
    fresh = fresh_token(data.role)

    async def prepare() -> IssueToken:
        await _admit(request)
        secret = await answerable(request, account, fresh.secret)
        return structs.replace(fresh.command, by=_issuer(request), secret=secret)

    granted = await answer_once(request, data, prepare, issuer_of=account)
    issued = next(each for each in granted.events if isinstance(each, AccessTokenIssued))
    secret = fresh.secret
    if granted.replayed:
        secret = await api_of(request).vault.unseal_text(account, issued.secret)
    else:
        await _acted(request, "tokens.issue", {"token_id": issued.token_id, "account": account})
    document = {
        "id": issued.token_id,
        "token": secret,
        "account": account,
        "role": issued.role.value,
        "as_of": api_of(request).cursor(granted.sequence),
    }
    headers = {**headers_of(request, granted), "Cache-Control": "no-store"}
    return Response(document, status_code=201, headers=headers)


async def operators_only(connection: AnyConnection, _handler: BaseRouteHandler) -> None:
    """Guard behind `require_issuer`."""
    check_is_operator(connection.scope["user"].role)


@get("/tokens", guards=[operators_only])
async def list_tokens(request: AnyRequest, account: FromQuery[str | None] = None) -> dict[str, Any]:
    """List tokens, oldest first; never their secrets."""
    owner = _account(account, "account") if account else None
    found = await api_of(request).database.read(access_tokens.of_account, owner)
    return {"items": [_document(each) for each in found], "as_of": api_of(request).as_of()}


@delete("/tokens/{id:str}", status_code=204)
async def revoke_token(request: AnyRequest, id: FromPath[str]) -> Response[None]:  # noqa: A002
    """Revoke a token; what it has open ends. A service revokes those of its own users only."""
    api = api_of(request)
    found = await _token(request, id)
    if found is None:
        raise no_such_token()
    check_may_revoke(caller_of(request).role, found.role)
    granted = await ask(request, RevokeToken(TokenId(id), _issuer(request)), found.account_id)
    if granted.events:
        await _acted(request, "tokens.revoke", {"token_id": id, "account": found.account_id})
    await api.changes.wait_for(granted.sequence)
    return Response(None, status_code=204, headers={"Darkroom-As-Of": api.as_of()})


@post("/accounts/{id:str}/grant", status_code=200)
async def grant_credits(
    request: AnyRequest,
    id: FromPath[str],  # noqa: A002
    data: JSONBody[Grant],
) -> AnyResponse:
    """Grant credits to an account; a service, to those that it made or that do not exist yet."""
    data = await strict(request, Grant)
    api, account = api_of(request), _account(id, "id")
    command = GrantCredits(data.amount, data.reason, _issuer(request))

    async def prepare() -> GrantCredits:
        await _admit(request)
        return command

    granted = await answer_once(request, data, prepare, issuer_of=account)
    if not granted.replayed:
        await _acted(request, "accounts.grant", {"account": account, "amount": data.amount})
    await api.changes.wait_for(granted.sequence)
    balance = await api.database.read(accounts.as_of, account, granted.sequence)
    as_of = api.cursor(granted.sequence)
    document = {"account": account, **credits_document(balance.account, as_of)}
    return Response(document, status_code=200, headers=headers_of(request, granted))


def _issuer(request: AnyRequest) -> AccountId | None:
    return issuer_of(caller_of(request).role, caller_of(request).account_id)


async def _admit(request: AnyRequest) -> None:
    """A service's writes are a product's daily work; an operator may have to mend what is full."""
    caller = caller_of(request)
    if caller.role is not Role.OPERATOR:
        await api_of(request).take_work(caller.account_id)


async def _token(request: AnyRequest, text: str) -> AccessToken | None:
    """Return the token. A miss is looked up in rows that have reached the log's end."""
    api = api_of(request)
    found = await api.database.read(access_tokens.find, text)
    if found is None:
        await api.changes.wait_for(await api.log.end())
        found = await api.database.read(access_tokens.find, text)
    return found


async def _acted(request: AnyRequest, action: str, after: dict[str, Any]) -> None:
    """What an operator does is an event of its own; a service's acts name it as their actor."""
    if caller_of(request).role is not Role.OPERATOR:
        return
    event = OperatorActed(operator=caller_of(request).actor, action=action, why="", after=after)
    await record(api_of(request).log, event)


def _account(text: str, field: str) -> AccountId:
    try:
        return account_id(text)
    except BadId:
        raise invalid(field, "must be 1 to 64 of A-Z, a-z, 0-9, _ and -") from None


def _document(token: AccessToken) -> dict[str, Any]:
    return {
        "id": token.token_id,
        "account": token.account_id,
        "role": token.role.value,
        "revoked": token.revoked,
        "created_at": text_of(token.created_at),
    }
