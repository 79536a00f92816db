"""What a pull consumer of the log has sent, and the pulls that ask it for more."""

import asyncio
import contextlib
from collections import deque

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from contracts.subjects import STREAM

PULL_SECONDS = 20  # How long the broker keeps a pull open.
HEARTBEAT_SECONDS = 5  # How often the broker says that an open pull still waits.
SILENCE_SECONDS_MAX = 12.0  # Without a message or a heartbeat for so long, the pulls are lost.


class PullInbox:
    """Messages arrive in one inbox, for several pulls that are open at once. `refusal` is the
    broker's answer to a pull, where that was neither a message, a heartbeat nor the pull's regular
    end.
    """

    def __init__(self, client: Client, consumer: str) -> None:
        self.refusal = ""
        self._client = client
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{consumer}"
        self._inbox = client.new_inbox()
        self._subscription: Subscription | None = None
        self._arrived: deque[Msg] = deque()
        self._wake = asyncio.Event()
        self._credit = 0  # How many messages the open pulls may still bring.
        self._heard_at = 0.0
        self._reconnects = client.stats["reconnects"]

    @property
    def is_lost(self) -> bool:
        """Whether the broker has forgotten the open pulls: a new connection, or no heartbeat. While
        no pull is open, the broker has nothing to say.
        """
        silence_seconds = asyncio.get_running_loop().time() - self._heard_at
        is_silent = self._credit > 0 and silence_seconds > SILENCE_SECONDS_MAX
        return is_silent or self._client.stats["reconnects"] != self._reconnects

    async def pull(self, batch: int, credit_min: int) -> None:
        """Ask for `batch` messages if the open pulls bring no more than `credit_min`."""
        if self._credit > credit_min:
            return
        if self._subscription is None:
            self._subscription = await self._client.subscribe(
                self._inbox, cb=self._receive, pending_msgs_limit=-1, pending_bytes_limit=-1
            )
        request = {
            "batch": batch,
            "expires": PULL_SECONDS * 1_000_000_000,
            "idle_heartbeat": HEARTBEAT_SECONDS * 1_000_000_000,
        }
        self._credit += batch
        self._heard_at = asyncio.get_running_loop().time()
        await self._client.publish(self._next, msgspec.json.encode(request), reply=self._inbox)

    async def take(self, batch: int, seconds: float) -> list[Msg]:
        """Return what has arrived, at most `batch` messages; wait so long for the first one."""
        if not self._arrived:
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._wake.wait()
        taken = [self._arrived.popleft() for _ in range(min(batch, len(self._arrived)))]
        self._credit -= len(taken)
        return taken

    def forget_pulls(self) -> None:
        """Count the open pulls as gone, so that the next `pull` asks."""
        self._credit = 0
        self._reconnects = self._client.stats["reconnects"]

    async def close(self) -> None:
        subscription, self._subscription = self._subscription, None
        if subscription is not None and not self._client.is_closed:
            await subscription.unsubscribe()

    async def _receive(self, message: Msg) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        if message.reply:
            self._arrived.append(message)
        else:
            self._note_status(message.headers or {})
        self._wake.set()

    def _note_status(self, headers: dict[str, str]) -> None:
        """A heartbeat (100) changes nothing. A pull that ended (404 and 408: its time is up) or was
        refused brings no more of what it was asked for.
        """
        status = headers.get("Status", "")
        if status == "100":
            return
        if status not in {"404", "408"}:
            self.refusal = headers.get("Description", status or "unknown status")
        unserved = int(headers.get("Nats-Pending-Messages", self._credit))
        self._credit = max(self._credit - unserved, 0)


def delivery_of(message: Msg) -> tuple[str, str]:
    """Return how often a message was delivered, and its sequence in the stream. Its reply subject
    is $JS.ACK.stream.consumer.DELIVERED.SEQUENCE.consumer_sequence.time.pending, or has a domain
    and an account before the stream and a token at the end.
    """
    tokens = message.reply.split(".")
    start = 4 if len(tokens) == 9 else 6  # noqa: PLR2004
    return tokens[start], tokens[start + 1]
