"""One idempotent step that makes the stream, the buckets and the consumers. Needs admin rights."""

from secrets import token_hex

from msgspec import Struct
from nats.aio.client import Client
from nats.js.api import AckPolicy, ConsumerConfig, DiscardPolicy, StorageType, StreamConfig
from nats.js.client import JetStreamContext
from nats.js.errors import NotFoundError

from adapters.broker import ACK_WAIT_SECONDS, DELIVERIES_MAX, Subscription
from adapters.dead_letters import GIVEN_UP
from adapters.event_log.jetstream import EPOCH_KEY, FORMAT, FORMAT_KEY, require_format
from contracts import subjects
from contracts.commit import CommitKind

_REQUESTS = frozenset({CommitKind.WORK_REQUESTED, CommitKind.RUN_REQUESTED})
SUBMIT_JOBS = Subscription("dispatcher-submit-jobs", subjects.ACCOUNTS, _REQUESTS)
_RESULTS = frozenset({CommitKind.RESULT})
SETTLE_RESULTS = Subscription("ingestor-settle-results", subjects.RESULTS, _RESULTS)
SUBSCRIPTIONS = (SUBMIT_JOBS, SETTLE_RESULTS)

MEBIBYTE = 1024 * 1024
LOG_BYTES_MAX = 20 * 1024**3  # Of a new log, if no other size is given.
DEAD_LETTER_BYTES_MAX = 64 * MEBIBYTE
DUPLICATE_SECONDS = 120.0


class Bucket(Struct, frozen=True):
    """`seconds_max` 0: values never expire. `values_stay`: no first value is ever replaced."""

    name: str
    bytes_max: int
    seconds_max: float = 0.0
    values_stay: bool = False


# About 200 bytes for each key, 400 for a ticket, 300 for an endpoint, 200 for a claim.
BUCKETS = (
    Bucket(subjects.KEY_BUCKET, 512 * MEBIBYTE, values_stay=True),
    Bucket(subjects.TICKET_BUCKET, 256 * MEBIBYTE, seconds_max=3600.0),
    Bucket(subjects.SEALING_BUCKET, 128 * MEBIBYTE),
    Bucket(subjects.CLAIM_BUCKET, 64 * MEBIBYTE, seconds_max=120.0),
)
# What an update may change. The others can only be chosen when a stream is made.
_MIGRATED = (
    *("subjects", "num_replicas", "max_bytes", "max_age"),
    *("discard", "discard_new_per_subject", "allow_rollup_hdrs"),
)


async def set_up(client: Client, *, log_bytes_max: int | None, replicas: int) -> str:
    """Make what is missing, widen what has grown; return the log's epoch. Nothing is ever narrowed:
    a repeat without a cluster's first arguments must not take its replicas or bytes away.
    `log_bytes_max` None keeps what a log has.
    """
    jetstream = client.jetstream()
    epoch = await _log(jetstream, log_bytes_max, replicas)
    dead_letters = StreamConfig(
        name=subjects.DEAD_LETTER_STREAM,
        subjects=["dead_letter.>", GIVEN_UP],
        max_bytes=DEAD_LETTER_BYTES_MAX,
    )
    for config in (dead_letters, *map(_bucket, BUCKETS)):
        await _stream(jetstream, config, replicas)
    for subscription in SUBSCRIPTIONS:
        await jetstream.add_consumer(subjects.STREAM, _consumer(subscription))
    return epoch


async def _log(jetstream: JetStreamContext, log_bytes_max: int | None, replicas: int) -> str:
    config = StreamConfig(
        name=subjects.STREAM,
        subjects=[subjects.ALL],
        storage=StorageType.FILE,
        num_replicas=replicas,
        max_bytes=log_bytes_max or LOG_BYTES_MAX,
        discard=DiscardPolicy.NEW,
        duplicate_window=DUPLICATE_SECONDS,
        deny_delete=True,
        deny_purge=True,
        allow_direct=False,
        metadata={EPOCH_KEY: token_hex(4), FORMAT_KEY: FORMAT},
    )
    try:
        found = await jetstream.stream_info(subjects.STREAM)
    except NotFoundError:
        await jetstream.add_stream(config)
        return str((config.metadata or {})[EPOCH_KEY])
    require_format(found.config.metadata)
    config.metadata = found.config.metadata
    config.num_replicas = max(found.config.num_replicas or 1, replicas)
    is_unbounded = (found.config.max_bytes or -1) < 0
    config.max_bytes = -1 if is_unbounded else max(found.config.max_bytes or 0, log_bytes_max or 0)
    before = (found.config.max_bytes, found.config.num_replicas)
    if before != (config.max_bytes, config.num_replicas):
        await jetstream.update_stream(config)
    return str((config.metadata or {})[EPOCH_KEY])


def _bucket(bucket: Bucket) -> StreamConfig:
    """Return what makes a stream a key-value bucket (the name, the subjects), and our limits. A
    full bucket refuses what is new; its writers can delete nothing. A bucket whose values stay also
    refuses second values, markers of deletion and rollups: only an operator's purge takes anything
    away.
    """
    return StreamConfig(
        name=f"KV_{bucket.name}",
        subjects=[f"$KV.{bucket.name}.>"],
        max_bytes=bucket.bytes_max,
        max_age=bucket.seconds_max,
        max_msgs_per_subject=1,
        discard=DiscardPolicy.NEW,
        discard_new_per_subject=bucket.values_stay,
        allow_rollup_hdrs=not bucket.values_stay,
        allow_msg_ttl=not bucket.values_stay,
        deny_delete=True,
        duplicate_window=min(bucket.seconds_max or DUPLICATE_SECONDS, DUPLICATE_SECONDS),
        allow_direct=False,
    )


async def _stream(jetstream: JetStreamContext, config: StreamConfig, replicas: int) -> None:
    """Make it, or update one of an older version; it is never narrowed."""
    config = config.evolve(storage=StorageType.FILE, num_replicas=replicas)
    try:
        found = (await jetstream.stream_info(str(config.name))).config
    except NotFoundError:
        await jetstream.add_stream(config)
        return
    wanted = {name: getattr(config, name) for name in _MIGRATED}
    wanted["max_bytes"] = max(found.max_bytes or 0, config.max_bytes or 0)
    wanted["num_replicas"] = max(found.num_replicas or 1, replicas)
    if any(getattr(found, name) != value for name, value in wanted.items()):
        await jetstream.update_stream(found.evolve(**wanted))


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
