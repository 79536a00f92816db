"""Reading the log in order: an ordered consumer of our own, supervised by what it delivers."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from secrets import token_hex

import msgspec
import structlog
from nats import errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from application.event_log import LogMessage, LogSetBack, LogUnavailable
from contracts.subjects import STREAM, Subject

logger = structlog.get_logger()

PULL = 500  # Messages a pull; two pulls overlap, so that the broker never waits for us.
PULL_SECONDS = 20
SILENCE_SECONDS_MAX = 12.0  # Heartbeats come every 5 s while a pull waits.
LOOK_SECONDS = 0.5  # How soon a new connection is noticed: the consumer is gone with the old one.
PAUSE_SECONDS = 0.25


class _Broken(Exception):
    """The consumer is gone, or skipped something: make a new one from the position."""


async def follow(
    client: Client, after: int, check: Callable[[], Awaitable[None]]
) -> AsyncIterator[list[LogMessage]]:
    """Yield batches after the sequence `after`, contiguous; start over on any fault.

    Each start checks first that it is still the same log; what `check` raises ends this.
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
    if [entry.sequence for entry in batch] != [*expected]:
        raise _Broken(f"the batch after {after} is not contiguous")


class _Consumer:
    """An ephemeral pull consumer without acknowledgements, read through one inbox."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._name = f"follow-{token_hex(8)}"
        self._inbox = client.new_inbox()
        self._arrived: deque[Msg] = deque()
        self._wake = asyncio.Event()
        self._credit = 0
        self._subscription: Subscription | None = None
        self._reconnects = client.stats["reconnects"]

    async def start(self, sequence: int) -> None:
        self._subscription = await self._client.subscribe(
            self._inbox, cb=self._receive, pending_msgs_limit=-1, pending_bytes_limit=-1
        )
        wish = {
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
            f"$JS.API.CONSUMER.CREATE.{STREAM}.{self._name}", msgspec.json.encode(wish), timeout=3
        )
        answer = msgspec.json.decode(reply.data)
        if "error" in answer:
            raise LogUnavailable(str(answer["error"]))
        await self._pull()
        await self._pull()

    async def stop(self) -> None:
        if self._subscription is not None and not self._client.is_closed:
            await self._subscription.unsubscribe()

    async def take(self) -> list[LogMessage]:
        """Return what has arrived, waiting for the first message; raise _Broken on silence, or
        when the connection is a new one.
        """
        waited = 0.0
        while not self._arrived:
            if self._client.stats["reconnects"] != self._reconnects:
                raise _Broken("a new connection")
            if waited >= SILENCE_SECONDS_MAX:
                raise _Broken("silence")
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._wake.wait()
            waited += LOOK_SECONDS
        entries: list[LogMessage] = []
        while self._arrived and len(entries) < PULL:
            message = self._arrived.popleft()
            if message.reply:
                entries.append(_entry(message))
            else:
                await self._status(message)
        if entries:
            self._credit -= len(entries)
            if self._credit <= PULL:
                await self._pull()
        return entries

    async def _receive(self, message: Msg) -> None:
        self._arrived.append(message)
        self._wake.set()

    async def _pull(self) -> None:
        wish = {
            "batch": PULL,
            "expires": PULL_SECONDS * 1_000_000_000,
            "idle_heartbeat": 5_000_000_000,
        }
        self._credit += PULL
        await self._client.publish(
            f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{self._name}",
            msgspec.json.encode(wish),
            reply=self._inbox,
        )

    async def _status(self, message: Msg) -> None:
        """Heartbeats pass; an expired pull is renewed; anything else ends this consumer."""
        headers = message.headers or {}
        status = headers.get("Status", "")
        if status == "100":
            return
        if status in {"404", "408"}:
            unserved = int(headers.get("Nats-Pending-Messages", "0"))
            self._credit -= unserved
            if self._credit <= PULL:
                await self._pull()
            return
        raise _Broken(headers.get("Description", status or "unknown status"))


def _entry(message: Msg) -> LogMessage:
    """The reply subject ends in stream.consumer.delivered.SEQUENCE.consumer_sequence.time.pending
    (nine tokens, or twelve with domain, account and a token at the end).
    """
    tokens = message.reply.split(".")
    sequence = tokens[5] if len(tokens) == 9 else tokens[7]  # noqa: PLR2004
    return LogMessage(int(sequence), Subject(message.subject), message.data)
