"""Peers: which processes of one service are alive, and which of them takes which work."""

import asyncio
from hashlib import blake2b
from secrets import token_hex

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

HEARTBEAT_SECONDS = 1.0
GONE_SECONDS = 3.5  # A process that was silent for so long is counted as gone.


class Peers:
    """Processes of a service send each other heartbeats. Without a client a process is alone.
    Sharing out work saves doing it twice; safety does not depend on it. Two processes that do not
    hear each other both act on a row, and the log's guards let one of them through.
    """

    def __init__(self, service: str, client: Client | None, at_work_max: int | None = None) -> None:
        self.name = token_hex(8)
        self._subject = f"live.peers.{service}"
        self._client = client
        self._heard: dict[str, float] = {}
        self._at_work_max = at_work_max

    async def start(self) -> None:
        if self._client is not None:
            await self._client.subscribe(self._subject, cb=self._hear)
            await self.send_heartbeat()

    async def send_heartbeat(self) -> None:
        if self._client is not None:
            await self._client.publish(self._subject, msgspec.json.encode(self.name))

    @property
    def count(self) -> int:
        """How many there are, this one included."""
        return len(self._living())

    def is_mine(self, key: str) -> bool:
        """Tell whether the row is this process's. Those beyond `at_work_max` stand by: none is."""
        living = self._living()
        if len(living) == 1:
            return True
        at_work = sorted(living)[: self._at_work_max]
        return self.name == max(at_work, key=lambda name: _weight(name, key))

    def share_of(self, amount: int) -> int:
        """Return this process's part of an amount. The parts of all processes add up to it."""
        living = sorted(self._living())
        whole, rest = divmod(max(amount, 0), len(living))
        return whole + (living.index(self.name) < rest)

    def _living(self) -> set[str]:
        if not self._heard:
            return {self.name}
        clock = asyncio.get_running_loop().time()
        self._heard = {name: at for name, at in self._heard.items() if clock - at < GONE_SECONDS}
        return {self.name, *self._heard}

    async def _hear(self, message: Msg) -> None:
        name = msgspec.json.decode(message.data, type=str)
        if name != self.name:
            self._heard[name] = asyncio.get_running_loop().time()


def _weight(name: str, key: str) -> bytes:
    """Rendezvous hashing: when a process comes or goes, only the keys that it takes move."""
    return blake2b(f"{name}/{key}".encode(), digest_size=8).digest()
