"""Usage: how often each caller has asked this minute, shared by the processes of a service."""

import time
from collections import Counter

import msgspec
from msgspec import Struct
from nats.aio.client import Client
from nats.aio.msg import Msg

from contracts.subjects import USAGE
from domain.refusals import Refused

WINDOW_SECONDS = 60
TELL_SECONDS = 0.5
NAMES_MAX = 100_000


class UsageReport(Struct, frozen=True):
    """What one process counted since its last report: requests by name, in one minute."""

    process: str
    window: int
    counts: dict[str, int]


_decoder = msgspec.json.Decoder(UsageReport)


class Usage:
    """Counts by the minute, from none at the start. Processes exchange their counts twice a second:
    so long the others' requests may exceed a limit.
    """

    def __init__(self, process: str) -> None:
        self._process = process
        self._window = 0
        self._counts: Counter[str] = Counter()
        self._unsent: Counter[str] = Counter()

    async def start(self, client: Client) -> None:
        await client.subscribe(USAGE, cb=self._hear)

    def take(self, name: str, limit: int, weight: int = 1) -> None:
        """Count requests; raise Refused `rate_limited` with the seconds until the next minute."""
        now = time.time()
        self._turn(int(now) // WINDOW_SECONDS)
        if self._counts[name] >= limit:
            seconds = WINDOW_SECONDS - int(now) % WINDOW_SECONDS
            raise Refused("rate_limited", f"{limit} requests a minute", retry_after_seconds=seconds)
        if len(self._counts) < NAMES_MAX or name in self._counts:
            self._counts[name] += weight
            self._unsent[name] += weight

    async def send(self, client: Client) -> None:
        """Send the others what was counted here since the last time."""
        if not self._unsent:
            return
        report = UsageReport(self._process, self._window, dict(self._unsent))
        self._unsent.clear()
        await client.publish(USAGE, msgspec.json.encode(report))

    async def _hear(self, message: Msg) -> None:
        report = _decoder.decode(message.data)
        self._turn(max(report.window, self._window))
        if report.process != self._process and report.window == self._window:
            self._counts.update(report.counts)

    def _turn(self, window: int) -> None:
        if window > self._window:
            self._window = window
            self._counts.clear()
            self._unsent.clear()
