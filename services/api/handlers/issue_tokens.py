"""Issues, lists and revokes access tokens, and grants credits: for operators, and for the back
end of a product, which signs up its users with a token of the role `service`.
"""

from typing import Annotated, Any

from litestar import Response, delete, get, post
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta, Struct

from adapters.access_tokens import fresh_token
from adapters.account_desk import Granted, Wish
from adapters.clock import fresh_commit_id, now
from adapters.event_log import sequence_of
from adapters.http_server import AnyConnection, AnyRequest, AnyResponse
from contracts.commit import Commit
from contracts.events import OperatorActed
from contracts.events.account import Role
from contracts.ids import AccountId, BadId, TokenId, account_id
from contracts.subjects import OPERATOR
from domain.account import AccountCommand, GrantCredits, RevokeToken
from domain.refusals import Refused, invalid
from read_models import access_tokens, accounts
from read_models.access_tokens import AccessToken
from services.api.dependencies import api_of
from services.api.documents import credits_document, time_of
from services.api.handlers.answer_errors import request_id_of, trace_id_of
from services.api.handlers.authenticate_callers import caller_of, require_token
from services.api.handlers.create_jobs import fingerprint_of, idempotency_key_of, strict


class NewToken(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    account: str
    role: Role = Role.USER


class Grant(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`amount` is in credits."""

    amount: int
    reason: Annotated[str, Meta(min_length=1, max_length=200)]


async def require_issuer(connection: AnyConnection, handler: BaseRouteHandler) -> None:
    """Guard: operators, and services, whose users' tokens and credits these are."""
    await require_token(connection, handler)
    if connection.scope["user"].role not in {Role.OPERATOR, Role.SERVICE}:
        raise Refused("forbidden", "this path is for operators and services")


@post("/tokens", status_code=201)
async def issue_token(request: AnyRequest, data: JSONBody[NewToken]) -> AnyResponse:
    """Issue a token; its secret is shown once. A service issues tokens of users only."""
    data = await strict(request, NewToken)
    account = _account(data.account, "account")
    if caller_of(request).role is not Role.OPERATOR and data.role is not Role.USER:
        raise Refused("forbidden", "a service may issue tokens of users only")
    fresh = fresh_token(data.role)
    granted = await _ask(request, account, fresh.command)
    await _acted(request, "tokens.issue", {"token_id": fresh.command.token_id, "account": account})
    document = {
        "id": fresh.command.token_id,
        "token": fresh.secret,
        "account": account,
        "role": data.role.value,
        "as_of": api_of(request).cursor(granted.sequence),
    }
    headers = {"Darkroom-As-Of": document["as_of"], "Cache-Control": "no-store"}
    return Response(document, status_code=201, headers=headers)


async def operators_only(connection: AnyConnection, _handler: BaseRouteHandler) -> None:
    """Guard behind `require_issuer`."""
    if connection.scope["user"].role is not Role.OPERATOR:
        raise Refused("forbidden", "this path is for operators")


@get("/tokens", guards=[operators_only])
async def list_tokens(request: AnyRequest, account: FromQuery[str | None] = None) -> dict[str, Any]:
    """List tokens, oldest first; never their secrets."""
    owner = _account(account, "account") if account else None
    found = await api_of(request).database.read(
        lambda connection: access_tokens.of_account(connection, owner)
    )
    return {"items": [_document(each) for each in found], "as_of": api_of(request).as_of()}


@delete("/tokens/{id:str}", status_code=204)
async def revoke_token(request: AnyRequest, id: FromPath[str]) -> Response[None]:  # noqa: A002
    """Revoke a token; what it has open ends. A service revokes tokens of users only."""
    api = api_of(request)
    found = await api.database.read(lambda connection: access_tokens.find(connection, id))
    is_user = found is not None and found.role is Role.USER
    if found is None or (caller_of(request).role is not Role.OPERATOR and not is_user):
        raise Refused("not_found", "there is no such token")
    if not found.revoked:
        granted = await _ask(request, found.account_id, RevokeToken(TokenId(id)))
        await _acted(request, "tokens.revoke", {"token_id": id, "account": found.account_id})
        await api.changes.wait_for(granted.sequence)
    return Response(None, status_code=204, headers={"Darkroom-As-Of": api.as_of()})


@post("/accounts/{id:str}/grant", status_code=200)
async def grant_credits(
    request: AnyRequest,
    id: FromPath[str],  # noqa: A002
    data: JSONBody[Grant],
) -> AnyResponse:
    """Grant credits to an account; an Idempotency-Key makes it harmless to repeat."""
    data = await strict(request, Grant)
    api, account = api_of(request), _account(id, "id")
    key = idempotency_key_of(request)
    command = GrantCredits(data.amount, data.reason)
    granted = await _ask(request, account, command, key, fingerprint_of(request, data))
    if not granted.replayed:
        await _acted(request, "accounts.grant", {"account": account, "amount": data.amount})
    await api.changes.wait_for(granted.sequence)
    balance = await api.database.read(lambda connection: accounts.find(connection, account))
    document = {"account": account, **credits_document(api, balance)}
    headers = {"Darkroom-As-Of": api.cursor(granted.sequence)}
    if granted.replayed:
        headers["Idempotency-Replayed"] = "true"
    return Response(document, status_code=200, headers=headers)


async def _ask(
    request: AnyRequest,
    account: AccountId,
    command: AccountCommand,
    key: str | None = None,
    fingerprint: str | None = None,
) -> Granted:
    wish = Wish(
        command=command,
        actor=caller_of(request).actor,
        correlation_id=request_id_of(request),
        idempotency_key=f"{caller_of(request).account_id}:{key}" if key is not None else None,
        fingerprint=fingerprint,
        trace_id=trace_id_of(request),
    )
    granted = await api_of(request).accounts.ask(account, wish)
    api_of(request).wrote(account, granted.sequence)
    return granted


async def _acted(request: AnyRequest, action: str, after: dict[str, Any]) -> None:
    """What an operator does is an event of its own; a service's acts name it as their actor."""
    if caller_of(request).role is not Role.OPERATOR:
        return
    event = OperatorActed(operator=caller_of(request).actor, action=action, why="", after=after)
    commit = Commit(id=fresh_commit_id(), at=now(), events=(event,))
    sequence_of(await api_of(request).log.append(OPERATOR, commit, after=None))


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
        "created_at": time_of(token.created_at),
    }
