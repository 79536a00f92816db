"""Endpoints' secrets in the real bucket, which endpoints that come and go must not fill."""

from collections.abc import AsyncIterator

import nats
import pytest
from nats.aio.client import Client

from adapters import endpoint_secrets
from adapters.broker_setup import set_up
from adapters.endpoint_secrets import EndpointSecrets
from contracts.ids import EndpointId
from contracts.subjects import SEALING_BUCKET
from tests.support.servers import nats_cluster
from tests.support.waiting import until

MASTER = bytes(range(32))


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    with nats_cluster(1) as url:
        opened = await nats.connect(url)
        await set_up(opened, log_bytes_max=64 * 1024**2, replicas=1)
        yield opened
        await opened.close()


async def bucket_bytes(client: Client) -> int:
    found = await client.jetstream().stream_info(f"KV_{SEALING_BUCKET}")
    return found.state.bytes


async def test_endpoints_that_were_removed_leave_nothing_behind(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint_secrets, "MARKER_SECONDS", 1.0)
    secrets = EndpointSecrets(client, MASTER)
    for number in range(20):
        await secrets.keep(EndpointId(f"ep_{number}"), "whsec_a")
        await secrets.forget(EndpointId(f"ep_{number}"))

    async def is_empty() -> bool:  # As soon as the broker has let the last mark's second pass.
        return await bucket_bytes(client) == 0

    await until(is_empty)


async def test_a_removed_secret_holds_no_more_and_can_be_kept_again(client: Client) -> None:
    secrets, endpoint = EndpointSecrets(client, MASTER), EndpointId("ep_1")
    await secrets.keep(endpoint, "whsec_a")
    await secrets.forget(endpoint)
    assert await secrets.holding(endpoint) == []
    await secrets.keep(endpoint, "whsec_b")
    assert await secrets.holding(endpoint) == ["whsec_b"]
