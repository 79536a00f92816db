"""The broker: connecting to it, and the one decorator that every subscriber goes through."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

import nats
import structlog
from faststream.middlewares import AckPolicy
from faststream.nats import JStream, NatsBroker, PullSub
from faststream.nats.message import NatsMessage
from faststream.security import SASLPlaintext
from msgspec import Struct
from nats.aio.client import Client
from nats.aio.msg import Msg
from prometheus_client import Counter

from adapters.dead_letters import DeadLetter, Handler, store_dead_letter
from adapters.eager_pull import EagerPull
from adapters.pull_inbox import delivery_of
from application.clock import now
from contracts import codec
from contracts.commit import CommitKind, Recorded
from contracts.subjects import STREAM, Subject

logger = structlog.get_logger()

DELIVERIES_MAX = 6
FIRST_FETCH_SECONDS = 0.1  # Of the one fetch before FastStream is given an EagerPull.
BACKOFF_SECONDS = (0.5, 2.0, 5.0, 15.0, 30.0)
ACK_WAIT_SECONDS = 90.0
HANDLER_SECONDS_MAX = 80.0  # Less than ACK_WAIT_SECONDS, when another process gets the message.

DEAD_LETTERS = Counter(
    "darkroom_dead_letters_total", "Commits that a handler gave up on", ["durable"]
)
BROKER_ERRORS = Counter(
    "darkroom_broker_errors_total", "Errors that the broker reported asynchronously", ["kind"]
)
# FastStream's subscribers that wait for their broker's start.
_EAGER: dict[NatsBroker, list[tuple[Any, str]]] = {}


class Subscription(Struct, frozen=True):
    """A durable consumer. `darkroom broker setup` makes it; services never do."""

    durable: str
    subject: str
    commit_kinds: frozenset[CommitKind]


class DeliveredMessage(Struct, frozen=True):
    """One delivered message, and what its reply subject says of it."""

    message: Msg
    commit_kind: str
    sequence: int
    deliveries: int


async def on_error(error: Exception) -> None:
    """Log and count. A refused permission is reported here only; the call itself times out."""
    kind = "permission" if "permissions violation" in str(error).lower() else "other"
    BROKER_ERRORS.labels(kind).inc()
    log = logger.error if kind == "permission" else logger.warning
    log("broker_error", reason=str(error), kind=kind)


CONNECTION_OPTIONS: dict[str, Any] = {
    "max_reconnect_attempts": -1,
    "reconnect_time_wait": 0.2,
    "connect_timeout": 2,
    "ping_interval": 10,
    "max_outstanding_pings": 2,
    # Nothing is buffered while there is no connection: a request that was answered with 503
    # must not be carried out when the connection is back.
    "pending_size": 0,
    "error_cb": on_error,
}


def _inbox_prefix(user: str | None) -> str:
    """Each user has inboxes of its own: no service can see another's replies."""
    return f"_INBOX_{user}" if user is not None else "_INBOX"


async def connect(url: str, user: str | None, password: str | None, name: str) -> Client:
    """Connect; retry for ever, as the broker may come up after us."""
    options = CONNECTION_OPTIONS | {"inbox_prefix": _inbox_prefix(user)}
    if user is not None:
        options |= {"user": user, "password": password}
    tls = ssl.create_default_context() if url.startswith("tls://") else None
    return await nats.connect(url, name=name, tls=tls, allow_reconnect=True, **options)


def stream_broker(url: str, user: str | None, password: str | None, name: str) -> NatsBroker:
    """FastStream's broker, without its type casting and logging of every message."""
    options = CONNECTION_OPTIONS | {"inbox_prefix": _inbox_prefix(user)}
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
            inbox_prefix=f"{_inbox_prefix(user)}.".encode(),
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
