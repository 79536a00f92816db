"""Notifications: what goes wrong is told in our words, and nobody's cookies reach anybody else."""

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest
from standardwebhooks import Webhook
from structlog.testing import capture_logs

from adapters.guarded_transport import AddressRefused
from contracts.ids import EndpointId
from domain.statuses import DeliveryStatus
from read_models.deliveries import Delivery
from read_models.endpoints import Endpoint
from services.dispatcher.app import customers_client
from services.dispatcher.handlers.notify_customers import Undelivered, _post, _signatures
from services.dispatcher.settings import DispatcherSettings
from tests.support.dispatching import DispatchingWorld
from tests.support.examples import ACCOUNT

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
DELIVERY = Delivery(
    delivery_id="ep_1.job",
    account_id=ACCOUNT,
    endpoint_id=EndpointId("ep_1"),
    type="job.completed",
    object_id="job",
    object_account_id=ACCOUNT,
    status=DeliveryStatus.WAITING,
    attempts=0,
    next_at=0,
    last_status=None,
    last_error=None,
    created_at=0,
    updated_at=0,
    sequence=1,
)


class Secrets:
    def __init__(self, *held: str) -> None:
        self.held = list(held)

    async def holding(self, _endpoint: EndpointId) -> list[str]:
        return self.held


class NoBody(httpx.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b""


class Network(httpx.AsyncBaseTransport):
    """A network on which every request ends as it is told."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.sent: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        if self.error is not None:
            raise self.error
        cookie = {"Set-Cookie": "who=1; Path=/"}
        return httpx.Response(200, headers=cookie, stream=NoBody(), request=request)


async def post(world: DispatchingWorld, url: str = "https://customer.example/hook") -> int:
    sealed = await world.vault.seal(ACCOUNT, url.encode())
    endpoint = Endpoint(
        endpoint_id=EndpointId("ep_1"), url=sealed, types=("job.completed",), created_at=0
    )
    return await _post(world.dispatcher, endpoint, DELIVERY, b"{}")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (AddressRefused("10.1.2.3 is private"), "an address that is not a public one"),
        (httpx.ConnectError("connect to 10.1.2.3 failed"), "no connection could be made"),
        (httpx.ConnectTimeout("10.1.2.3"), "no answer in time"),
        (httpx.ReadError("10.1.2.3"), "the connection was lost"),
        (OSError("10.1.2.3"), "the connection was lost"),
        (TimeoutError(), "no answer in time"),
    ],
)
async def test_a_customer_reads_our_words_and_no_address(error: Exception, words: str) -> None:
    world = DispatchingWorld(Network(error))
    world.dispatcher.secrets = Secrets(SECRET)  # type: ignore[assignment]
    with pytest.raises(Undelivered, match=words) as raised:
        await post(world)
    assert "10.1.2.3" not in str(raised.value)


async def test_an_operator_reads_where_a_refused_url_leads_and_what_allows_it() -> None:
    error = AddressRefused("hook.example is not at a public address", ("10.1.2.3",))
    world = DispatchingWorld(Network(error))
    world.dispatcher.secrets = Secrets(SECRET)  # type: ignore[assignment]
    with capture_logs() as lines, pytest.raises(Undelivered):
        await post(world, "https://hook.example:8443/secret-path")
    (line,) = lines
    assert line["addresses"] == ("10.1.2.3",)
    assert line["reason"].endswith("set WEBHOOK_HOSTS_ALLOWED=hook.example:8443")
    assert "secret-path" not in str(line)


async def test_a_url_that_cannot_be_asked_for_fails_its_own_delivery_only() -> None:
    world = DispatchingWorld(Network())
    world.dispatcher.secrets = Secrets(SECRET)  # type: ignore[assignment]
    with pytest.raises(Undelivered, match="the URL cannot be used"):
        await post(world, "https://customer.example/\x7f")


async def test_a_delivery_is_signed_under_every_secret_that_holds() -> None:
    network = Network()
    world = DispatchingWorld(network)
    other = f"whsec_{base64.b64encode(bytes(24)).decode()}"
    world.dispatcher.secrets = Secrets(SECRET, other)  # type: ignore[assignment]
    assert await post(world) == 200
    (request,) = network.sent
    assert len(request.headers["webhook-signature"].split(" ")) == 2
    for secret in (SECRET, other):
        Webhook(secret).verify(request.content, dict(request.headers))


def test_a_signature_is_standard_webhooks_own_example() -> None:
    """The vector of the Standard Webhooks specification's reference libraries."""
    at = datetime.fromtimestamp(1_614_265_330, UTC)
    body = b'{"test": 2432232314}'
    signed = _signatures([SECRET], "msg_p5jXN8AQM9LWM0D4loKWxJek", at, body)
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_nothing_is_sent_unsigned() -> None:
    network = Network()
    world = DispatchingWorld(network)
    world.dispatcher.secrets = Secrets()  # type: ignore[assignment]
    with pytest.raises(Undelivered, match="secret is gone"):
        await post(world)
    assert network.sent == []


async def test_what_one_customer_sets_as_a_cookie_is_sent_to_nobody() -> None:
    network = Network()
    world = DispatchingWorld()
    world.dispatcher.secrets = Secrets(SECRET)  # type: ignore[assignment]
    world.dispatcher.customers = customers_client(DispatcherSettings(provider="simulator"))
    world.dispatcher.customers._transport = network
    for _ in range(2):
        assert await post(world) == 200
    assert [request.headers.get("cookie") for request in network.sent] == [None, None]
