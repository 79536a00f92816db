"""Peers: which processes of one service live right now, and which of them takes what."""

import asyncio
from hashlib import blake2b
from secrets import token_hex

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

TELL_SECONDS = 1.0
GONE_SECONDS = 3.5  # Who was not heard of for so long takes nothing any more.


class Peers:
    """Processes of a service tell each other that they live. Without a client one is alone.

    What they take by it is a matter of not doing things twice, never of safety: two that do not
    hear each other both act, and the log's guards decide.
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
            await self.tell()

    async def tell(self) -> None:
        """Say that this process lives; said again every second."""
        if self._client is not None:
            await self._client.publish(self._subject, msgspec.json.encode(self.name))

    @property
    def count(self) -> int:
        """How many there are, this one included."""
        return len(self._living())

    def is_mine(self, key: str) -> bool:
        """Tell whether this process is the one to take what has this key. More processes than
        may be at work stand by: what they are given of the room is nothing, so they take nothing.
        """
        living = self._living()
        if len(living) == 1:
            return True
        at_work = sorted(living)[: self._at_work_max]
        return self.name == max(at_work, key=lambda name: _weight(name, key))

    def share_of(self, amount: int) -> int:
        """Return this process's part of an amount: the parts of all add up to no more."""
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
    """The highest weight takes the key, so that one who comes or goes moves only its own part."""
    return blake2b(f"{name}/{key}".encode(), digest_size=8).digest()
