"""Registers where an account wants to be told, and shows what was told."""

import secrets
from typing import Annotated, Any

import httpx
from litestar import Response, delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta, Struct

from adapters.endpoint_secrets import fresh_secret
from adapters.guarded_transport import AddressRefused, checked_address
from adapters.http_server import AnyRequest, AnyResponse
from application.account_commands import CommandResult
from contracts.events import EndpointRegistered, EndpointSecretRotated
from contracts.ids import EndpointId
from domain.delivery_status import DeliveryStatus
from domain.endpoints import (
    ChangeEndpoint,
    RegisterEndpoint,
    RemoveEndpoint,
    RequestNotification,
    RotateSecret,
    address_to_check,
    checked_types,
)
from domain.refusals import Refused, invalid
from domain.times import text_of
from read_models import deliveries, endpoints
from read_models.deliveries import Delivery
from read_models.endpoints import Endpoint
from services.api.dependencies import api_of
from services.api.handlers.answer_once import Nothing, answer_once, answerable, ask, headers_of
from services.api.handlers.authenticate_callers import caller_of
from services.api.handlers.create_jobs import strict
from services.api.settings import ApiSettings

LIMIT_MAX = 100
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


@post("/", status_code=201)
async def register_endpoint(request: AnyRequest, data: JSONBody[NewEndpoint]) -> AnyResponse:
    """Register a URL; the secret that signs its deliveries is shown once."""
    data = await strict(request, NewEndpoint)
    api, account = api_of(request), caller_of(request).account_id
    endpoint, secret = EndpointId(f"ep_{secrets.token_hex(12)}"), fresh_secret()
    is_kept = False

    async def prepare() -> RegisterEndpoint:
        nonlocal is_kept
        await api.take_work(account)
        await _check(api.settings, data.url)
        types = checked_types(data.types)
        url = await api.vault.seal(account, data.url.encode())
        sealed = await answerable(request, account, secret)
        is_kept = True
        await api.secrets.keep(endpoint, secret)  # Before anything can be told there.
        return RegisterEndpoint(endpoint, url, types, sealed)

    try:
        granted = await answer_once(request, data, prepare)
    except Refused:
        if is_kept:
            await api.secrets.forget(endpoint)
        raise
    registered = _registered(granted)
    if registered.endpoint_id != endpoint:
        if is_kept:
            await api.secrets.forget(endpoint)
        secret = await api.vault.unseal_text(account, registered.secret)
    shown = await _shown_as(request, registered)
    return _answer(request, granted, {**shown, "secret": secret}, 201)


@get("/")
async def list_endpoints(request: AnyRequest) -> dict[str, Any]:
    """The account's endpoints, in the order of their registration; never their secrets."""
    known = await _known(request)
    return {"items": [await _document(request, each) for each in known.values()]}


@patch("/{id:str}")
async def change_endpoint(
    request: AnyRequest,
    id: FromPath[str],  # noqa: A002
    data: JSONBody[ChangedEndpoint],
) -> AnyResponse:
    """Change its URL or types, or enable it again."""
    data = await strict(request, ChangedEndpoint)
    api, account = api_of(request), caller_of(request).account_id

    async def prepare() -> ChangeEndpoint:
        await api.take_work(account)
        endpoint = await _found(request, id)
        url = None
        if data.url is not None:
            await _check(api.settings, data.url)
            url = await api.vault.seal(account, data.url.encode())
        return ChangeEndpoint(
            endpoint_id=endpoint.endpoint_id,
            url=url,
            types=checked_types(data.types) if data.types is not None else None,
            enabled=data.enabled,
        )

    granted = await answer_once(request, data, prepare)
    shown = await _shown_as(request, _registered(granted))
    known = (await _known(request)).get(EndpointId(id))
    if known is not None:
        shown |= {"created_at": text_of(known.created_at), "failing_since": _failing_since(known)}
    return _answer(request, granted, shown, 200)


@delete("/{id:str}", status_code=204)
async def remove_endpoint(request: AnyRequest, id: FromPath[str]) -> Response[None]:  # noqa: A002
    """Remove it: nothing more is told there. Let in however full the log is."""
    api, endpoint = api_of(request), await _found(request, id)
    granted = await ask(request, RemoveEndpoint(endpoint.endpoint_id))
    await api.secrets.forget(endpoint.endpoint_id)
    headers = {"Darkroom-As-Of": api.cursor(granted.sequence)}
    return Response(None, status_code=204, headers=headers)


@post("/{id:str}/rotate", status_code=200)
async def rotate_secret(request: AnyRequest, id: FromPath[str]) -> AnyResponse:  # noqa: A002
    """A new secret, shown once; for a day deliveries carry the old one's signature too."""
    api, account = api_of(request), caller_of(request).account_id
    secret = fresh_secret()

    async def prepare() -> RotateSecret:
        await api.take_work(account)
        endpoint = await _found(request, id)
        sealed = await answerable(request, account, secret)
        return RotateSecret(endpoint.endpoint_id, sealed)

    granted = await answer_once(request, Nothing(), prepare)
    (rotated,) = (each for each in granted.events if isinstance(each, EndpointSecretRotated))
    if granted.replayed:
        secret = await api.vault.unseal_text(account, rotated.secret)
    # A repeat keeps it too: the first try may have ended between the commit and this.
    if not granted.replayed or rotated.endpoint_id in await _known(request):
        await api.secrets.keep(rotated.endpoint_id, secret, granted.sequence)
    return _answer(request, granted, {"id": rotated.endpoint_id, "secret": secret}, 200)


@get("/{id:str}/deliveries")
async def list_deliveries(
    request: AnyRequest,
    id: FromPath[str],  # noqa: A002
    limit: FromQuery[int] = 50,
) -> dict[str, Any]:
    """What it was told or is owed, newest first."""
    if not 1 <= limit <= LIMIT_MAX:
        raise invalid("limit", f"must be from 1 to {LIMIT_MAX}")
    endpoint = await _found(request, id)
    found = await api_of(request).database.read(deliveries.of_endpoint, endpoint.endpoint_id, limit)
    return {"items": [_shown(each) for each in found]}


@post("/{id:str}/deliveries/{delivery_id:str}/resend", status_code=202)
async def resend_delivery(
    request: AnyRequest,
    id: FromPath[str],  # noqa: A002
    delivery_id: FromPath[str],
) -> AnyResponse:
    """Send it once more, under the same message id."""
    api, account = api_of(request), caller_of(request).account_id

    async def prepare() -> RequestNotification:
        await api.take_work(account)
        endpoint = await _found(request, id)
        found = await api.database.read(deliveries.find, delivery_id)
        if found is None or found.endpoint_id != endpoint.endpoint_id:
            raise Refused("not_found", "there is no such delivery")
        return RequestNotification(endpoint.endpoint_id, delivery_id)

    granted = await answer_once(request, Nothing(), prepare)
    return _answer(request, granted, {"id": delivery_id, "status": DeliveryStatus.WAITING}, 202)


async def _check(settings: ApiSettings, url: str) -> None:
    """Refuse what is no public web address: deliveries must not reach inwards."""
    address = address_to_check(url, settings.allowed_hosts)
    if address is None:
        return
    try:
        await checked_address(*address)
    except AddressRefused:
        raise invalid("url", "must not lead to a private address or an unusual port") from None
    except (httpx.ConnectError, httpx.ConnectTimeout):
        raise invalid("url", "its host cannot be found") from None


async def _known(request: AnyRequest) -> endpoints.Endpoints:
    api, account = api_of(request), caller_of(request).account_id
    await api.wait_until_current(account, None)
    return await api.database.read(endpoints.of_account, account)


async def _found(request: AnyRequest, text: str) -> Endpoint:
    found = (await _known(request)).get(EndpointId(text))
    if found is None:
        raise Refused("not_found", "there is no such endpoint in this account")
    return found


def _registered(granted: CommandResult) -> EndpointRegistered:
    return next(each for each in granted.events if isinstance(each, EndpointRegistered))


async def _shown_as(request: AnyRequest, known: Endpoint | EndpointRegistered) -> dict[str, Any]:
    account = caller_of(request).account_id
    return {
        "id": known.endpoint_id,
        "url": await api_of(request).vault.unseal_text(account, known.url),
        "types": list(known.types),
        "enabled": known.enabled,
    }


async def _document(request: AnyRequest, endpoint: Endpoint) -> dict[str, Any]:
    shown = await _shown_as(request, endpoint)
    since = _failing_since(endpoint)
    return shown | {"failing_since": since, "created_at": text_of(endpoint.created_at)}


def _failing_since(endpoint: Endpoint) -> str | None:
    return text_of(endpoint.failing_since) if endpoint.failing_since is not None else None


def _shown(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.delivery_id,
        "type": delivery.type,
        "object_id": delivery.object_id,
        "status": delivery.status,
        "attempts": delivery.attempts,
        "next_at": text_of(delivery.next_at) if delivery.next_at is not None else None,
        "last_status": delivery.last_status,
        "last_error": delivery.last_error,
        "created_at": text_of(delivery.created_at),
        "updated_at": text_of(delivery.updated_at),
    }


def _answer(request: AnyRequest, granted: CommandResult, document: Any, status: int) -> AnyResponse:
    as_of = api_of(request).cursor(granted.sequence)
    headers = {**headers_of(request, granted), "Cache-Control": "no-store"}
    return Response({**document, "as_of": as_of}, status_code=status, headers=headers)
