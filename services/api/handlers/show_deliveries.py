"""Shows what was sent to an endpoint, and sends it again."""

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery
from msgspec import Struct

from application.documents import Time
from contracts.ids import AccountId
from domain.endpoints import RequestNotification
from domain.refusals import Refused
from domain.statuses import DeliveryStatus
from domain.times import text_of
from read_models import deliveries
from read_models.deliveries import Delivery
from services.api.dependencies import Api, Injected
from services.api.handlers.answers import NO_STORE, of_result
from services.api.handlers.callers import Caller
from services.api.handlers.idempotency import NoBody, execute_once
from services.api.handlers.pages import LIMIT, check_limit
from services.api.handlers.register_endpoints import endpoint_of
from services.api.handlers.request_context import RequestContext


class DeliveryDocument(Struct, frozen=True, kw_only=True):
    """One message to an endpoint, about the job or run `object_id` of `account`, and what became
    of it: `last_status` is the HTTP status that the endpoint answered last, `next_at` when the
    message is tried again.
    """

    id: str
    type: str
    object_id: str
    account: AccountId
    status: DeliveryStatus
    attempts: int
    next_at: Time | None
    last_status: int | None
    last_error: str | None
    created_at: Time
    updated_at: Time


class DeliveryList(Struct, frozen=True, kw_only=True):
    """Deliveries, newest first."""

    items: list[DeliveryDocument]


class ResentDelivery(Struct, frozen=True, kw_only=True):
    """A delivery that will be sent once more."""

    id: str
    status: DeliveryStatus
    as_of: str


@get("/{id:str}/deliveries")
async def list_deliveries(
    api: Injected[Api], caller: Injected[Caller], id: FromPath[str], limit: FromQuery[int] = LIMIT
) -> DeliveryList:
    """List what was sent to an endpoint or has yet to be sent, newest first."""
    check_limit(limit)
    endpoint = await endpoint_of(api, caller.account_id, id)
    found = await api.database.read(deliveries.of_endpoint, endpoint.endpoint_id, limit)
    return DeliveryList(items=[_document(each) for each in found])


@post("/{id:str}/deliveries/{delivery_id:str}/resend", status_code=202)
async def resend_delivery(
    api: Injected[Api],
    context: Injected[RequestContext],
    id: FromPath[str],
    delivery_id: FromPath[str],
) -> Response[ResentDelivery]:
    """Send it once more, under the same message id."""
    account = context.account

    async def prepare() -> RequestNotification:
        await api.take_work(account)
        endpoint = await endpoint_of(api, account, id)
        found = await api.database.read(deliveries.find, delivery_id)
        if found is None or found.endpoint_id != endpoint.endpoint_id:
            raise Refused("not_found", "there is no such delivery")
        return RequestNotification(endpoint.endpoint_id, delivery_id)

    result = await execute_once(api, context, NoBody(), prepare)
    document = ResentDelivery(
        id=delivery_id, status=DeliveryStatus.WAITING, as_of=api.cursor(result.sequence)
    )
    return of_result(result, document, 202, NO_STORE)


def _document(delivery: Delivery) -> DeliveryDocument:
    return DeliveryDocument(
        id=delivery.delivery_id,
        type=delivery.type,
        object_id=delivery.object_id,
        account=delivery.object_account_id,
        status=delivery.status,
        attempts=delivery.attempts,
        next_at=text_of(delivery.next_at) if delivery.next_at is not None else None,
        last_status=delivery.last_status,
        last_error=delivery.last_error,
        created_at=text_of(delivery.created_at),
        updated_at=text_of(delivery.updated_at),
    )
