"""The eager pull against a real consumer: what there is, at once, each message once."""

import asyncio
from collections.abc import AsyncIterator

import nats
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from adapters import eager_pull
from adapters.broker_setup import set_up
from adapters.eager_pull import EagerPull
from contracts.subjects import STREAM
from tests.support.waiting import until

BATCH = 64
PATIENCE_SECONDS = 3.0  # Less than a pull stays open: waiting for the rest would not pass.


@pytest.fixture
async def client(one_server: str) -> AsyncIterator[Client]:
    client = await nats.connect(one_server)
    await set_up(client, log_bytes_max=64 * 1024**2, replicas=1)
    yield client
    await client.close()


@pytest.fixture
async def pull(client: Client) -> AsyncIterator[EagerPull]:
    durable = "eager"
    jetstream = client.jetstream()
    await jetstream.add_consumer(
        STREAM,
        ConsumerConfig(
            durable_name=durable,
            filter_subject="log.evidence.removal",
            ack_policy=AckPolicy.EXPLICIT,
            deliver_policy=DeliverPolicy.NEW,
        ),
    )
    found = EagerPull(client, durable)
    yield found
    await found.unsubscribe()
    await jetstream.delete_consumer(STREAM, durable)


async def publish(client: Client, *bodies: bytes) -> None:
    for body in bodies:
        await client.request("log.evidence.removal", body)


async def fetched(pull: EagerPull) -> list[bytes]:
    messages = await asyncio.wait_for(pull.fetch(BATCH, 0), PATIENCE_SECONDS)
    for message in messages:
        await message.ack()
    return [message.data for message in messages]


async def is_pulled(client: Client) -> bool:
    found = await client.jetstream().consumer_info(STREAM, "eager")
    return bool(found.num_waiting)


async def test_a_lone_message_does_not_wait_for_the_rest_of_a_batch(
    client: Client, pull: EagerPull
) -> None:
    waiting = asyncio.create_task(fetched(pull))
    await until(lambda: is_pulled(client))
    await publish(client, b"alone")
    assert await waiting == [b"alone"]
    await publish(client, b"another")
    assert await fetched(pull) == [b"another"]


async def test_many_come_in_order_and_each_once(client: Client, pull: EagerPull) -> None:
    wanted = [str(number).encode() for number in range(3 * BATCH)]
    await publish(client, *wanted)
    found: list[bytes] = []
    while len(found) < len(wanted):
        found += await fetched(pull)
    assert found == wanted


async def test_a_pull_that_is_not_heard_of_any_more_is_made_again(
    client: Client, pull: EagerPull
) -> None:
    """As after a restart of the broker, which forgets what was pulled."""
    await publish(client, b"first")
    assert await fetched(pull) == [b"first"]
    await pull.unsubscribe()
    lost = EagerPull(client, "eager")
    lost._inbox._credit, lost._inbox._heard_at = BATCH, -100.0
    await publish(client, b"second")
    found: list[bytes] = []
    while b"second" not in found:
        found += await fetched(lost)
    await lost.unsubscribe()


@pytest.fixture
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eager_pull, "WAIT_SECONDS", 0.2)
    monkeypatch.setattr(eager_pull, "PAUSE_SECONDS", 0.2)


@pytest.mark.usefixtures("_short_waits")
async def test_a_consumer_that_is_not_there_is_not_asked_in_a_rage(client: Client) -> None:
    asked = 0

    async def count(_message: Msg) -> None:
        nonlocal asked
        asked += 1

    await client.subscribe(f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.nobody", cb=count)
    pull = EagerPull(client, "nobody")
    found: list[Msg] = []
    async with asyncio.timeout(60):
        for _ in range(3):
            found += await pull.fetch(BATCH, 0.1)
    await pull.unsubscribe()
    assert not found
    assert asked <= 4


@pytest.mark.usefixtures("_short_waits")
async def test_without_a_connection_a_fetch_brings_nothing_and_never_raises(
    one_server: str,
) -> None:
    client = await nats.connect(one_server)
    pull = EagerPull(client, "nobody")
    await client.close()
    assert await pull.fetch(BATCH, 0.1) == []
