"""Reading the log in order: a consumer of our own, made again when it is gone or has a gap."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from secrets import token_hex

import msgspec
import structlog
from nats import errors
from nats.aio.client import Client

from adapters.pull_inbox import PullInbox, delivery_of
from application.event_log import LogMessage, LogSetBack, LogUnavailable
from contracts.subjects import STREAM, Subject

logger = structlog.get_logger()

PULL = 500  # Messages a pull; two pulls overlap, so that the broker never waits for the next.
LOOK_SECONDS = 0.5  # How soon a new connection is noticed: the consumer may be gone with the old.
PAUSE_SECONDS = 0.25


class _Broken(Exception):
    """The consumer is gone, or skipped a message: a new one has to be made."""


async def follow(
    client: Client, after: int, check: Callable[[], Awaitable[None]]
) -> AsyncIterator[list[LogMessage]]:
    """Yield batches of messages after sequence `after`, without a gap; start over on any fault.
    Each start first checks that it is still the same log; `check`'s LogSetBack ends this.
    """
    while True:
        consumer = _Consumer(client)
        try:
            await check()
            await consumer.start(after + 1)
            while True:
                batch = await consumer.take()
                _check_contiguous(batch, after)
                if batch:
                    yield batch
                    after = batch[-1].sequence
        except LogSetBack:
            raise
        except (_Broken, errors.Error, LogUnavailable, OSError, TimeoutError) as error:
            logger.warning("log_follower_restarts", position=after, reason=repr(error))
            await asyncio.sleep(PAUSE_SECONDS)
        finally:
            await consumer.stop()


def _check_contiguous(batch: list[LogMessage], after: int) -> None:
    expected = range(after + 1, after + 1 + len(batch))
    if [each.sequence for each in batch] != [*expected]:
        raise _Broken(f"the batch after {after} is not contiguous")


class _Consumer:
    """An ephemeral pull consumer without acknowledgements."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._name = f"follow-{token_hex(8)}"
        self._inbox = PullInbox(client, self._name)

    async def start(self, sequence: int) -> None:
        request = {
            "stream_name": STREAM,
            "action": "create",
            "config": {
                "name": self._name,
                "deliver_policy": "by_start_sequence",
                "opt_start_seq": sequence,
                "ack_policy": "none",
                "replay_policy": "instant",
                "max_waiting": 4,
                "inactive_threshold": 60_000_000_000,
                "mem_storage": True,
                "num_replicas": 1,
            },
        }
        reply = await self._client.request(
            f"$JS.API.CONSUMER.CREATE.{STREAM}.{self._name}",
            msgspec.json.encode(request),
            timeout=3,
        )
        answer = msgspec.json.decode(reply.data)
        if "error" in answer:
            raise LogUnavailable(str(answer["error"]))
        await self._inbox.pull(PULL, credit_min=PULL)
        await self._inbox.pull(PULL, credit_min=PULL)

    async def stop(self) -> None:
        await self._inbox.close()

    async def take(self) -> list[LogMessage]:
        """Return what has arrived, none after LOOK_SECONDS; raise _Broken when the consumer was
        refused or deleted, when nothing is heard of it, or when the connection is a new one.
        """
        messages = await self._inbox.take(PULL, LOOK_SECONDS)
        if self._inbox.refusal:
            raise _Broken(self._inbox.refusal)
        if not messages and self._inbox.is_lost:
            raise _Broken("a new connection, or no heartbeat")
        await self._inbox.pull(PULL, credit_min=PULL)
        return [
            LogMessage(int(delivery_of(each)[1]), Subject(each.subject), each.data)
            for each in messages
        ]
