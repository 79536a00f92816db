"""Registers the endpoints of an account: web addresses that its notifications are sent to."""

import secrets
from typing import Annotated, Any

import httpx
from litestar import Response, delete, get, patch, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from adapters.endpoint_secrets import fresh_secret
from adapters.guarded_transport import AddressRefused, checked_address
from application.account_commands import CommandResult
from application.documents import Time
from contracts.events import EndpointRegistered, EndpointSecretRotated
from contracts.ids import AccountId, EndpointId
from domain.endpoints import (
    ChangeEndpoint,
    RegisterEndpoint,
    RemoveEndpoint,
    RotateSecret,
    address_to_check,
    advice,
    checked_types,
)
from domain.refusals import Refused, invalid
from domain.times import text_of
from read_models import endpoints
from read_models.endpoints import Endpoint
from services.api.dependencies import Api, Injected
from services.api.handlers.answers import NO_STORE, no_content, of_result
from services.api.handlers.callers import Caller
from services.api.handlers.idempotency import (
    NoBody,
    execute,
    execute_once,
    seal_for_repeat,
    unseal_for_repeat,
)
from services.api.handlers.request_context import RequestContext
from services.api.settings import ApiSettings

Types = Annotated[list[str], Meta(min_length=1, max_length=10)]


class NewEndpoint(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Without `types`, all of them."""

    url: Annotated[str, Meta(min_length=1, max_length=2048)]
    types: Types | None = None


class ChangedEndpoint(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is not given stays as it is. Enabling ends an automatic disabling."""

    url: Annotated[str, Meta(min_length=1, max_length=2048)] | None = None
    types: Types | None = None
    enabled: bool | None = None


class EndpointSecret(Struct, frozen=True, kw_only=True):
    """The secret that signs deliveries from now on. It is shown once."""

    id: EndpointId
    secret: str
    as_of: str


class RegisteredEndpoint(Struct, frozen=True, kw_only=True):
    """A new endpoint, and the secret that signs its deliveries."""

    id: EndpointId
    url: str
    types: list[str]
    enabled: bool
    secret: str
    as_of: str


class EndpointDocument(Struct, frozen=True, kw_only=True):
    """An endpoint. Since `failing_since`, nothing that was sent there was taken; after five days
    of that it is no longer `enabled`.
    """

    id: EndpointId
    url: str
    types: list[str]
    enabled: bool
    failing_since: Time | None
    created_at: Time


class UpdatedEndpoint(EndpointDocument, frozen=True, kw_only=True):
    """An endpoint after a change."""

    as_of: str


class EndpointList(Struct, frozen=True, kw_only=True):
    """Endpoints, in the order of their registration."""

    items: list[EndpointDocument]


@post("/", status_code=201)
async def register_endpoint(
    api: Injected[Api], context: Injected[RequestContext], data: JSONBody[NewEndpoint]
) -> Response[RegisteredEndpoint]:
    """Register a URL; the secret that signs its deliveries is shown once."""
    account = context.account
    endpoint, secret = EndpointId(f"ep_{secrets.token_hex(12)}"), fresh_secret()
    is_kept = False

    async def prepare() -> RegisterEndpoint:
        nonlocal is_kept
        await api.take_work(account)
        await _check_url(api.settings, data.url)
        types = checked_types(data.types)
        url = await api.vault.seal(account, data.url.encode())
        sealed = await seal_for_repeat(api, context, account, secret)
        is_kept = True
        await api.secrets.keep(endpoint, secret)  # Before the first delivery has to be signed.
        return RegisterEndpoint(endpoint, url, types, sealed)

    try:
        result = await execute_once(api, context, data, prepare)
    except Refused:
        if is_kept:
            await api.secrets.forget(endpoint)
        raise
    registered = _registered(result)
    if registered.endpoint_id != endpoint:
        if is_kept:
            await api.secrets.forget(endpoint)
        secret = await unseal_for_repeat(api, account, registered.secret)
    document = RegisteredEndpoint(
        **await _basics(api, account, registered), secret=secret, as_of=api.cursor(result.sequence)
    )
    return of_result(result, document, 201, NO_STORE)


@get("/")
async def list_endpoints(api: Injected[Api], caller: Injected[Caller]) -> EndpointList:
    """List the account's endpoints in the order of registration; never their secrets."""
    account = caller.account_id
    found = (await _endpoints_of(api, account)).values()
    items = [
        EndpointDocument(**await _basics(api, account, each), **_times(each)) for each in found
    ]
    return EndpointList(items=items)


@patch("/{id:str}")
async def change_endpoint(
    api: Injected[Api],
    context: Injected[RequestContext],
    id: FromPath[str],
    data: JSONBody[ChangedEndpoint],
) -> Response[UpdatedEndpoint]:
    """Change its URL or types, or enable it again."""
    account = context.account

    async def prepare() -> ChangeEndpoint:
        await api.take_work(account)
        endpoint = await endpoint_of(api, account, id)
        url = None
        if data.url is not None:
            await _check_url(api.settings, data.url)
            url = await api.vault.seal(account, data.url.encode())
        types = checked_types(data.types) if data.types is not None else None
        return ChangeEndpoint(
            endpoint_id=endpoint.endpoint_id, url=url, types=types, enabled=data.enabled
        )

    result = await execute_once(api, context, data, prepare)
    endpoint = await endpoint_of(api, account, id)
    document = UpdatedEndpoint(
        **await _basics(api, account, _registered(result)),
        **_times(endpoint),
        as_of=api.cursor(result.sequence),
    )
    return of_result(result, document, 200, NO_STORE)


@delete("/{id:str}", status_code=204)
async def remove_endpoint(
    api: Injected[Api], context: Injected[RequestContext], id: FromPath[str]
) -> Response[None]:
    """Remove it: nothing more is sent there. Possible even while new work is refused."""
    endpoint = await endpoint_of(api, context.account, id)
    command = RemoveEndpoint(endpoint.endpoint_id)
    result = await execute(api, context, command, context.account)
    await api.secrets.forget(endpoint.endpoint_id)
    return no_content(api.cursor(result.sequence))


@post("/{id:str}/rotate", status_code=200)
async def rotate_secret(
    api: Injected[Api], context: Injected[RequestContext], id: FromPath[str]
) -> Response[EndpointSecret]:
    """Make a new secret, shown once; for a day deliveries carry the old one's signature too."""
    account = context.account
    secret = fresh_secret()

    async def prepare() -> RotateSecret:
        await api.take_work(account)
        endpoint = await endpoint_of(api, account, id)
        sealed = await seal_for_repeat(api, context, account, secret)
        return RotateSecret(endpoint.endpoint_id, sealed)

    result = await execute_once(api, context, NoBody(), prepare)
    (rotated,) = (each for each in result.events if isinstance(each, EndpointSecretRotated))
    if result.replayed:
        secret = await unseal_for_repeat(api, account, rotated.secret)
    # A repeat keeps it too: the first try may have failed between the commit and this.
    if not result.replayed or rotated.endpoint_id in await _endpoints_of(api, account):
        await api.secrets.keep(rotated.endpoint_id, secret, result.sequence)
    as_of = api.cursor(result.sequence)
    document = EndpointSecret(id=rotated.endpoint_id, secret=secret, as_of=as_of)
    return of_result(result, document, 200, NO_STORE)


async def endpoint_of(api: Api, account: AccountId, text: str) -> Endpoint:
    """Return the account's endpoint; raise Refused `not_found` for any other."""
    found = (await _endpoints_of(api, account)).get(EndpointId(text))
    if found is None:
        raise Refused("not_found", "there is no such endpoint in this account")
    return found


async def _check_url(settings: ApiSettings, url: str) -> None:
    """Refuse what is no public web address: deliveries must not reach inwards."""
    address = address_to_check(url, settings.webhook_hosts)
    if address is None:
        return
    try:
        await checked_address(*address)
    except AddressRefused:
        words = f"must not lead to a private address or an unusual port; {advice(*address)}"
        raise invalid("url", words) from None
    except (httpx.ConnectError, httpx.ConnectTimeout):
        raise invalid("url", "its host cannot be found") from None


async def _endpoints_of(api: Api, account: AccountId) -> endpoints.Endpoints:
    await api.wait_until_current(account)
    return await api.database.read(endpoints.of_account, account)


def _registered(result: CommandResult) -> EndpointRegistered:
    return next(each for each in result.events if isinstance(each, EndpointRegistered))


async def _basics(
    api: Api, account: AccountId, endpoint: Endpoint | EndpointRegistered
) -> dict[str, Any]:
    return {
        "id": endpoint.endpoint_id,
        "url": await api.vault.unseal_text(account, endpoint.url),
        "types": list(endpoint.types),
        "enabled": endpoint.enabled,
    }


def _times(endpoint: Endpoint) -> dict[str, Any]:
    since = endpoint.failing_since
    failing_since = text_of(since) if since is not None else None
    return {"failing_since": failing_since, "created_at": text_of(endpoint.created_at)}
