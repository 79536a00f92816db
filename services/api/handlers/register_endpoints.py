"""Registers where an account wants to be told, and shows what was told."""

import secrets
from typing import Annotated, Any
from urllib.parse import urlsplit

import httpx
from litestar import Response, delete, get, patch, post
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta, Struct, structs

from adapters.account_desk import Granted
from adapters.guarded_transport import AddressRefused, checked_address
from adapters.http_server import AnyRequest, AnyResponse
from contracts.ids import EndpointId
from domain.account import RegisterEndpoint, RemoveEndpoint, RequestNotification
from domain.job_kinds.base import InvalidField, check_url
from domain.notifications import TYPES
from domain.refusals import Refused, invalid
from read_models import deliveries, endpoints
from read_models.deliveries import Delivery
from read_models.endpoints import Endpoint
from services.api.dependencies import api_of
from services.api.documents import time_of
from services.api.handlers.authenticate_callers import caller_of
from services.api.handlers.create_jobs import ask, strict
from services.api.settings import ApiSettings

ENDPOINTS_MAX = 10
LIMIT_MAX = 100
ALL_TYPES = tuple(TYPES.values())
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
    await _check(api.settings, data.url)
    types = _types(data.types)
    known = await _known(request)
    if len(known) >= ENDPOINTS_MAX:
        raise Refused("too_many_endpoints", f"{ENDPOINTS_MAX} are registered")
    endpoint = EndpointId(f"ep_{secrets.token_hex(12)}")
    url = await api.vault.seal(account, data.url.encode())
    secret = await api.secrets.make(endpoint)
    granted = await ask(request, RegisterEndpoint(endpoint, url, types), data)
    shown = {"id": endpoint, "url": data.url, "types": list(types), "enabled": True}
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
    api, endpoint = api_of(request), await _found(request, id)
    url = endpoint.url
    if data.url is not None:
        await _check(api.settings, data.url)
        url = await api.vault.seal(caller_of(request).account_id, data.url.encode())
    types = _types(data.types) if data.types is not None else endpoint.types
    enabled = endpoint.enabled if data.enabled is None else data.enabled
    command = RegisterEndpoint(endpoint.endpoint_id, url, types, enabled)
    granted = await ask(request, command, data)
    changed = structs.replace(endpoint, url=url, types=types, enabled=enabled)
    return _answer(request, granted, await _document(request, changed), 200)


@delete("/{id:str}", status_code=204)
async def remove_endpoint(request: AnyRequest, id: FromPath[str]) -> Response[None]:  # noqa: A002
    """Remove it: nothing more is told there."""
    api, endpoint = api_of(request), await _found(request, id)
    granted = await ask(request, RemoveEndpoint(endpoint.endpoint_id), _Nothing())
    await api.secrets.forget(endpoint.endpoint_id)
    headers = {"Darkroom-As-Of": api.cursor(granted.sequence)}
    return Response(None, status_code=204, headers=headers)


@post("/{id:str}/rotate", status_code=200)
async def rotate_secret(request: AnyRequest, id: FromPath[str]) -> AnyResponse:  # noqa: A002
    """A new secret, shown once; for a day deliveries carry the old one's signature too."""
    endpoint = await _found(request, id)
    secret = await api_of(request).secrets.make(endpoint.endpoint_id)
    document = {"id": endpoint.endpoint_id, "secret": secret}
    return Response(document, status_code=200, headers={"Cache-Control": "no-store"})


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
    found = await api_of(request).database.read(
        lambda connection: deliveries.of_endpoint(connection, endpoint.endpoint_id, limit)
    )
    return {"items": [_shown(each) for each in found]}


@post("/{id:str}/deliveries/{delivery_id:str}/resend", status_code=202)
async def resend_delivery(
    request: AnyRequest,
    id: FromPath[str],  # noqa: A002
    delivery_id: FromPath[str],
) -> AnyResponse:
    """Send it once more, under the same message id."""
    api, endpoint = api_of(request), await _found(request, id)
    found = await api.database.read(lambda connection: deliveries.find(connection, delivery_id))
    if found is None or found.endpoint_id != endpoint.endpoint_id:
        raise Refused("not_found", "there is no such delivery")
    command = RequestNotification(endpoint.endpoint_id, delivery_id)
    granted = await ask(request, command, _Nothing())
    return _answer(request, granted, {"id": delivery_id, "status": "waiting"}, 202)


class _Nothing(Struct, frozen=True):
    """A body that says nothing, for an Idempotency-Key to stand for."""


async def _check(settings: ApiSettings, url: str) -> None:
    """Refuse what is no public web address: deliveries must not reach inwards."""
    try:
        check_url("url", url)
    except InvalidField as error:
        raise invalid("url", error.message) from None
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if f"{parts.hostname}:{port}" in settings.allowed_hosts:
        return
    if parts.scheme != "https":
        raise invalid("url", "must be an https URL")
    try:
        await checked_address(parts.hostname or "", port)
    except AddressRefused:
        raise invalid("url", "must not lead to a private address or an unusual port") from None
    except httpx.ConnectError:
        raise invalid("url", "its host cannot be found") from None


def _types(wanted: list[str] | None) -> tuple[str, ...]:
    if wanted is None:
        return ALL_TYPES
    unknown = set(wanted) - set(ALL_TYPES)
    if unknown:
        raise invalid("types", f"must be of {', '.join(ALL_TYPES)}")
    return tuple(dict.fromkeys(wanted))


async def _known(request: AnyRequest) -> endpoints.Endpoints:
    api, account = api_of(request), caller_of(request).account_id
    await api.freshen(account, None)
    return await api.database.read(lambda connection: endpoints.of_account(connection, account))


async def _found(request: AnyRequest, text: str) -> Endpoint:
    found = (await _known(request)).get(EndpointId(text))
    if found is None:
        raise Refused("not_found", "there is no such endpoint in this account")
    return found


async def _document(request: AnyRequest, endpoint: Endpoint) -> dict[str, Any]:
    account = caller_of(request).account_id
    since = endpoint.failing_since
    return {
        "id": endpoint.endpoint_id,
        "url": await api_of(request).vault.unseal_text(account, endpoint.url),
        "types": list(endpoint.types),
        "enabled": endpoint.enabled,
        "failing_since": time_of(since) if since is not None else None,
        "created_at": time_of(endpoint.created_at),
    }


def _shown(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.delivery_id,
        "type": delivery.type,
        "object_id": delivery.object_id,
        "status": delivery.status,
        "attempts": delivery.attempts,
        "next_at": time_of(delivery.next_at) if delivery.next_at is not None else None,
        "last_status": delivery.last_status,
        "last_error": delivery.last_error,
        "created_at": time_of(delivery.created_at),
        "updated_at": time_of(delivery.updated_at),
    }


def _answer(request: AnyRequest, granted: Granted, document: Any, status: int) -> AnyResponse:
    as_of = api_of(request).cursor(granted.sequence)
    headers = {"Darkroom-As-Of": as_of, "Cache-Control": "no-store"}
    return Response({**document, "as_of": as_of}, status_code=status, headers=headers)
