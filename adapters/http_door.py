"""How many connections a listener takes, in all and from one address, and which it has."""

import asyncio
import resource
from collections import Counter
from ipaddress import IPv6Address, ip_network

from msgspec import Struct, structs
from uvicorn.server import ServerState

from adapters.settings import CommonSettings

FILES_KEPT = 256  # Open files left for the broker, the database and the storage.


class Bounds(Struct, frozen=True, kw_only=True):
    """`connections_per_address_max` 0 means no limit: behind a proxy all come from one address."""

    connections_max: int = 8000
    connections_per_address_max: int = 4000
    head_seconds: float = 10.0
    body_seconds: float = 30.0
    stalled_seconds: float = 60.0

    @classmethod
    def of(cls, settings: CommonSettings) -> "Bounds":
        return cls(
            connections_max=settings.connections_max,
            connections_per_address_max=settings.connections_per_address_max,
        )

    def within_file_limit(self) -> "Bounds":
        """Raise the process's limit of open files as far as these bounds need; where the system
        allows less, lower the bounds, and let one address have at most half.
        """
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = self.connections_max + FILES_KEPT
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        if allowed > soft:
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        most = max(2, allowed - FILES_KEPT)
        if most >= self.connections_max:
            return self
        of_address = min(self.connections_per_address_max, most // 2)
        return structs.replace(self, connections_max=most, connections_per_address_max=of_address)


class Door(ServerState):
    """What uvicorn's connections share, with a count of those that are open, by address."""

    def __init__(self, bounds: Bounds) -> None:
        super().__init__()
        self.bounds = bounds
        self.held = 0
        self.held_by: Counter[str] = Counter()

    def enter(self, transport: asyncio.Transport) -> str | None:
        """Count one more connection; return its address for `leave`, None if it is one too many."""
        place = _place_of(transport)
        most = self.bounds.connections_per_address_max
        if self.held >= self.bounds.connections_max or (most and self.held_by[place] >= most):
            return None
        self.held += 1
        self.held_by[place] += 1
        return place

    def leave(self, place: str | None) -> None:
        if place is None:
            return
        self.held -= 1
        self.held_by[place] -= 1
        if not self.held_by[place]:
            del self.held_by[place]


def _place_of(transport: asyncio.Transport) -> str:
    """Return the peer's address; for IPv6 the /64 network, as one customer has all of it."""
    peer = transport.get_extra_info("peername")
    host = str(peer[0]) if peer else ""
    if ":" not in host:
        return host
    address = IPv6Address(host.partition("%")[0])
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ip_network((address, 64), strict=False))
