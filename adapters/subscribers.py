"""The one decorator that every subscriber goes through. FastStream is imported here only: it takes
a fifth of a second to load, which a command that subscribes to nothing should not wait for.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from faststream.middlewares import AckPolicy
from faststream.nats import JStream, NatsBroker, PullSub
from faststream.nats.message import NatsMessage
from faststream.security import SASLPlaintext
from msgspec import Struct
from nats.aio.msg import Msg
from prometheus_client import Counter

from adapters.broker import CONNECTION_OPTIONS, DELIVERIES_MAX, Subscription, inbox_prefix
from adapters.dead_letters import DeadLetter, Handler, store_dead_letter
from adapters.eager_pull import EagerPull
from adapters.pull_inbox import delivery_of
from application.clock import now
from contracts import codec
from contracts.commit import Recorded
from contracts.subjects import STREAM, Subject

logger = structlog.get_logger()

FIRST_FETCH_SECONDS = 0.1  # Of the one fetch before FastStream is given an EagerPull.
BACKOFF_SECONDS = (0.5, 2.0, 5.0, 15.0, 30.0)
HANDLER_SECONDS_MAX = 80.0  # Less than ACK_WAIT_SECONDS, when another process gets the message.

DEAD_LETTERS = Counter(
    "darkroom_dead_letters_total", "Commits that a handler gave up on", ["durable"]
)
# FastStream's subscribers that wait for their broker's start.
_EAGER: dict[NatsBroker, list[tuple[Any, str]]] = {}


class DeliveredMessage(Struct, frozen=True):
    """One delivered message, and what its reply subject says of it."""

    message: Msg
    commit_kind: str
    sequence: int
    deliveries: int


def stream_broker(url: str, user: str | None, password: str | None, name: str) -> NatsBroker:
    """FastStream's broker, without its type casting and logging of every message."""
    options = CONNECTION_OPTIONS | {"inbox_prefix": inbox_prefix(user)}
    if user is not None:
        options["security"] = SASLPlaintext(username=user, password=password or "")
    return NatsBroker(url, name=name, apply_types=False, logger=None, **options)


async def start(broker: NatsBroker) -> None:
    """Start its subscribers, each pulling eagerly."""
    await broker.start()
    client = await broker.connect()
    before = []
    for registered, durable in _EAGER.pop(broker, []):
        before.append(registered.subscription)
        registered.subscription = EagerPull(client, durable)
    await asyncio.sleep(3 * FIRST_FETCH_SECONDS)  # Until what the first fetch brought is handled.
    for subscription in before:
        await subscription.unsubscribe()


async def stop(broker: NatsBroker, seconds: float) -> None:
    """Stop its subscribers in time. A broker that is away makes this fail, which is only logged."""
    stopping = asyncio.create_task(broker.stop())
    done, _ = await asyncio.wait({stopping}, timeout=seconds)
    if not done:
        stopping.cancel()
        logger.warning("subscribers_not_stopped", reason=f"not in {seconds:g} s")
    elif (error := stopping.exception()) is not None:
        logger.warning("subscribers_not_stopped", reason=repr(error))


def subscriber(
    broker: NatsBroker, subscription: Subscription, user: str | None, *, workers: int
) -> Callable[[Handler], Handler]:
    """Register a handler, which must be harmless to repeat. A delivery that fails comes again after
    a pause; after six the commit becomes a dead letter.
    """

    def register(handler: Handler) -> Handler:
        async def deliver(delivery: DeliveredMessage) -> None:
            await _deliver(broker, subscription, handler, delivery)

        registered: Any = broker.subscriber(
            subscription.subject,
            stream=JStream(STREAM, declare=False),
            durable=subscription.durable,
            pull_sub=PullSub(batch_size=min(workers, 100), timeout=FIRST_FETCH_SECONDS),
            ack_policy=AckPolicy.MANUAL,
            max_workers=workers,
            decoder=_delivery,
            inbox_prefix=f"{inbox_prefix(user)}.".encode(),
        )
        registered(deliver)
        _EAGER.setdefault(broker, []).append((registered, subscription.durable))
        return handler

    return register


async def _delivery(message: NatsMessage) -> DeliveredMessage:
    raw = message.raw_message
    deliveries, sequence = delivery_of(raw)
    commit_kind = (raw.headers or {}).get("Darkroom-Commit-Kind", "")
    return DeliveredMessage(raw, commit_kind, int(sequence), int(deliveries))


async def _deliver(
    broker: NatsBroker, subscription: Subscription, handler: Handler, delivery: DeliveredMessage
) -> None:
    message = delivery.message
    if delivery.commit_kind not in subscription.commit_kinds:
        await message.ack()
        return
    try:
        commit = codec.decode(message.data)
        async with asyncio.timeout(HANDLER_SECONDS_MAX):
            await handler(Recorded(delivery.sequence, Subject(message.subject), commit))
    except Exception as error:  # noqa: BLE001 - whatever it is, the message must not be lost.
        await _failed(broker, subscription, delivery, error)
    else:
        await message.ack()


async def _failed(
    broker: NatsBroker, subscription: Subscription, delivery: DeliveredMessage, error: Exception
) -> None:
    reason = f"{type(error).__name__}: {error}"[:500]
    logger.warning(
        "handler_failed",
        durable=subscription.durable,
        sequence=delivery.sequence,
        delivery=delivery.deliveries,
        reason=reason,
    )
    if delivery.deliveries < DELIVERIES_MAX:
        delay = BACKOFF_SECONDS[min(delivery.deliveries, len(BACKOFF_SECONDS)) - 1]
        await delivery.message.nak(delay=delay)
        return
    letter = DeadLetter(
        durable=subscription.durable,
        sequence=delivery.sequence,
        reason=reason,
        deliveries=delivery.deliveries,
        at=now(),
    )
    await store_dead_letter(await broker.connect(), letter)
    DEAD_LETTERS.labels(subscription.durable).inc()
    logger.error("commit_dead_lettered", durable=subscription.durable, sequence=delivery.sequence)
    await delivery.message.term()
