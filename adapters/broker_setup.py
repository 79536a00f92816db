"""One idempotent step that makes the stream, the buckets and the consumers. Needs admin rights."""

from secrets import token_hex

from nats.aio.client import Client
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DiscardPolicy,
    KeyValueConfig,
    StorageType,
    StreamConfig,
)
from nats.js.client import JetStreamContext
from nats.js.errors import NotFoundError

from adapters.broker import ACK_WAIT_SECONDS, DELIVERIES_MAX, Subscription
from adapters.event_log.jetstream import EPOCH_KEY
from adapters.parking import GIVEN_UP
from contracts.commit import Headline
from contracts.subjects import (
    ACCOUNTS,
    ALL,
    CLAIM_BUCKET,
    KEY_BUCKET,
    PARKED_STREAM,
    RESULTS,
    SEALING_BUCKET,
    STREAM,
    TICKET_BUCKET,
)

SUBMIT_JOBS = Subscription(
    "dispatcher-submit-jobs",
    ACCOUNTS,
    frozenset({Headline.WORK_REQUESTED, Headline.RUN_REQUESTED}),
)
SETTLE_RESULTS = Subscription("ingestor-settle-results", RESULTS, frozenset({Headline.RESULT}))
SUBSCRIPTIONS = (SUBMIT_JOBS, SETTLE_RESULTS)

PARKED_BYTES_MAX = 64 * 1024 * 1024
CLAIM_SECONDS = 120.0
TICKET_SECONDS_MAX = 3600.0  # Then the broker forgets it, used or not.


async def set_up(client: Client, *, log_bytes_max: int, replicas: int) -> str:
    """Make what is missing, widen what has grown; return the log's epoch."""
    jetstream = client.jetstream()
    epoch = await _log(jetstream, log_bytes_max, replicas)
    await _stream(
        jetstream,
        StreamConfig(
            name=PARKED_STREAM,
            subjects=["parked.>", GIVEN_UP],
            storage=StorageType.FILE,
            num_replicas=replicas,
            max_bytes=PARKED_BYTES_MAX,
        ),
    )
    for bucket in (
        KeyValueConfig(bucket=KEY_BUCKET, replicas=replicas),
        KeyValueConfig(bucket=TICKET_BUCKET, replicas=replicas, ttl=TICKET_SECONDS_MAX),
        KeyValueConfig(bucket=SEALING_BUCKET, replicas=replicas),
        KeyValueConfig(bucket=CLAIM_BUCKET, replicas=replicas, ttl=CLAIM_SECONDS),
    ):
        try:
            await jetstream.key_value(bucket.bucket)
        except NotFoundError:
            await jetstream.create_key_value(bucket)
    for subscription in SUBSCRIPTIONS:
        await jetstream.add_consumer(STREAM, _consumer(subscription))
    return epoch


async def _log(jetstream: JetStreamContext, log_bytes_max: int, replicas: int) -> str:
    config = StreamConfig(
        name=STREAM,
        subjects=[ALL],
        storage=StorageType.FILE,
        num_replicas=replicas,
        max_bytes=log_bytes_max,
        discard=DiscardPolicy.NEW,
        duplicate_window=120,
        deny_delete=True,
        deny_purge=True,
        allow_direct=False,
        metadata={EPOCH_KEY: token_hex(4)},
    )
    try:
        found = await jetstream.stream_info(STREAM)
    except NotFoundError:
        await jetstream.add_stream(config)
        return str((config.metadata or {})[EPOCH_KEY])
    config.metadata = found.config.metadata
    if found.config.max_bytes != log_bytes_max or found.config.num_replicas != replicas:
        await jetstream.update_stream(config)
    return str((config.metadata or {})[EPOCH_KEY])


async def _stream(jetstream: JetStreamContext, config: StreamConfig) -> None:
    try:
        found = await jetstream.stream_info(str(config.name))
    except NotFoundError:
        await jetstream.add_stream(config)
        return
    if found.config.subjects != config.subjects:
        await jetstream.update_stream(config)


def _consumer(subscription: Subscription) -> ConsumerConfig:
    return ConsumerConfig(
        name=subscription.durable,
        durable_name=subscription.durable,
        filter_subject=subscription.subject,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=ACK_WAIT_SECONDS,
        max_deliver=DELIVERIES_MAX + 2,
        max_ack_pending=2000,
    )
