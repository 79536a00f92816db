"""The one subscriber decorator: nothing is lost, retries are paced, poison is set aside."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import nats
import pytest
from nats.aio.client import Client

from adapters import subscribers
from adapters.broker import DELIVERIES_MAX, Subscription
from adapters.broker_setup import set_up
from adapters.dead_letters import DeadLetter, DeadLetters
from adapters.event_log.jetstream import JetStreamLog
from adapters.subscribers import stream_broker, subscriber
from contracts.commit import CommitKind, Recorded
from contracts.events import CreditsGranted
from contracts.ids import AccountId
from contracts.subjects import STREAM, account_subject
from tests.support.examples import a_job_id, commit, requested
from tests.support.waiting import until

WANTED = Subscription("test-handler", "log.account.*", frozenset({CommitKind.WORK_REQUESTED}))


@pytest.fixture
async def client(one_server: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    monkeypatch.setattr(subscribers, "BACKOFF_SECONDS", (0.05, 0.05, 0.05, 0.05, 0.05))
    client = await nats.connect(one_server)
    await set_up(client, log_bytes_max=64 * 1024**2, replicas=1)
    jetstream = client.jetstream()
    await jetstream.add_consumer(
        STREAM,
        nats.js.api.ConsumerConfig(
            durable_name=WANTED.durable,
            filter_subject=WANTED.subject,
            ack_policy=nats.js.api.AckPolicy.EXPLICIT,
            deliver_policy=nats.js.api.DeliverPolicy.NEW,
            ack_wait=30,
            max_deliver=20,
        ),
    )
    yield client
    await jetstream.delete_consumer(STREAM, WANTED.durable)
    await client.close()


async def append(client: Client, *, work: bool) -> int:
    log = await JetStreamLog.open(client)
    account = AccountId(a_job_id())
    grant = CreditsGranted(account_id=account, amount=1, reason="r")
    event = requested(a_job_id(), account) if work else grant
    outcome = await log.append(account_subject(account), commit(event), after=0)
    return int(getattr(outcome, "sequence", 0))


async def all_is_acknowledged(client: Client) -> bool:
    """Whether the broker has nothing more for the handler: what is acknowledged never returns."""
    found = await client.jetstream().consumer_info(STREAM, WANTED.durable)
    return not found.num_pending and not found.num_ack_pending


async def test_a_failing_handler_sees_the_commit_again_until_it_succeeds(
    one_server: str, client: Client
) -> None:
    stream = stream_broker(one_server, None, None, "test")
    seen: list[int] = []
    done = asyncio.Event()

    @subscriber(stream, WANTED, None, workers=4)
    async def handle(recorded: Recorded) -> None:
        seen.append(recorded.sequence)
        if len(seen) < 3:
            raise OSError("not yet")
        done.set()

    await subscribers.start(stream)
    sequence = await append(client, work=True)
    await asyncio.wait_for(done.wait(), 60)
    await until(lambda: all_is_acknowledged(client))
    await stream.stop()
    assert seen == [sequence] * 3


async def test_a_commit_about_something_else_is_passed_over(
    one_server: str, client: Client
) -> None:
    stream = stream_broker(one_server, None, None, "test")
    seen: list[int] = []
    done = asyncio.Event()

    @subscriber(stream, WANTED, None, workers=4)
    async def handle(recorded: Recorded) -> None:
        seen.append(recorded.sequence)
        done.set()

    await subscribers.start(stream)
    await append(client, work=False)
    sequence = await append(client, work=True)
    await asyncio.wait_for(done.wait(), 60)
    await stream.stop()
    assert seen == [sequence]


async def test_poison_becomes_a_dead_letter_with_its_reason_and_the_rest_goes_on(
    one_server: str, client: Client
) -> None:
    stream = stream_broker(one_server, None, None, "test")
    dead_letters = await client.subscribe(f"dead_letter.{WANTED.durable}")
    good = asyncio.Event()
    poison: list[int] = []

    @subscriber(stream, WANTED, None, workers=4)
    async def handle(recorded: Recorded) -> None:
        if recorded.sequence == poison[0]:
            raise ValueError("cannot be digested")
        good.set()

    await subscribers.start(stream)
    poison.append(await append(client, work=True))
    await append(client, work=True)
    await asyncio.wait_for(good.wait(), 60)
    message = await dead_letters.next_msg(timeout=60)
    await stream.stop()
    letter = msgspec.json.decode(message.data, type=DeadLetter)
    assert (letter.sequence, letter.deliveries) == (poison[0], DELIVERIES_MAX)
    assert "cannot be digested" in letter.reason


async def test_what_the_broker_gave_up_on_by_itself_is_a_dead_letter_too(client: Client) -> None:
    """A handler that takes its process down never gets to write a dead letter."""
    jetstream = client.jetstream()
    sequence = await append(client, work=True)
    durable = "gives-up"
    await jetstream.add_consumer(
        STREAM,
        nats.js.api.ConsumerConfig(
            durable_name=durable,
            deliver_policy=nats.js.api.DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=sequence,
            ack_policy=nats.js.api.AckPolicy.EXPLICIT,
            ack_wait=0.1,
            max_deliver=2,
        ),
    )
    subscription = await jetstream.pull_subscribe_bind(durable, STREAM)
    for _ in range(2):
        await subscription.fetch(1, timeout=2)  # The second one waits for the broker's patience.
    with pytest.raises(nats.errors.TimeoutError):
        await subscription.fetch(1, timeout=0.5)
    found = [each for each in await DeadLetters(client).all() if each.durable == durable]
    assert [(each.sequence, each.deliveries) for each in found] == [(sequence, 2)]
    await DeadLetters(client).discard(found[0])
    assert await DeadLetters(client).find(found[0].id) is None
    await jetstream.delete_consumer(STREAM, durable)
