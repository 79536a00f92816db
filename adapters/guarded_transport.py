"""Outgoing connections that cannot reach private addresses, whatever name leads there."""

import asyncio
import socket
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

import httpcore
import httpx

from domain.addresses import WEB_PORTS, is_among

CONNECTIONS_MAX = 512  # More than deliveries at once: httpcore's own ten are soon filled.
KEPT_ALIVE_MAX = 20
KEPT_ALIVE_SECONDS = 30.0
LOOK_UPS_MAX = 64
LOOK_UP_SECONDS = 5.0
# A look-up cannot be cancelled, and a stranger's name server may answer late. On the loop's own
# few threads it would delay reading files.
_look_ups = ThreadPoolExecutor(LOOK_UPS_MAX, "look-up")
_under_way: dict[tuple[str, int], Future[tuple[str, ...] | Exception]] = {}
# Networks that is_global lets through, though no public web server is there. From IANA's
# special-purpose address registries for IPv4 and IPv6, https://www.iana.org/assignments/
# iana-ipv4-special-registry and iana-ipv6-special-registry, and from clouds' own addresses.
REFUSED_NETWORKS = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",  # This host.
            "100.64.0.0/10",  # Shared address space; clouds' metadata too (100.100.100.200).
            "168.63.129.16/32",  # Azure's host.
            "169.254.0.0/16",  # Link-local; metadata of most clouds.
            "192.0.0.0/24",  # Protocol assignments; Oracle's metadata (192.0.0.192).
            *("192.31.196.0/24", "192.175.48.0/24", "2620:4f:8000::/48"),  # AS112.
            "192.52.193.0/24",  # Multicast tunnels.
            *("192.88.99.0/24", "2002::/16"),  # 6to4, deprecated.
            *("::/96", "::ffff:0:0:0/96"),  # IPv4-compatible, deprecated; IPv4-translated.
            "64:ff9b:1::/48",  # Local NAT64: where it leads only its network knows.
            "100::/16",  # Discard-only, dummy.
            "2001::/23",  # Protocol assignments: Teredo, ORCHID, benchmarking.
            *("2001:db8::/32", "3fff::/20"),  # Documentation.
            "3ffe::/16",  # The test network of old.
            "5f00::/16",  # Segment routing.
            "fec0::/10",  # Site-local, deprecated.
        ),
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")  # DNS64 writes an IPv4 address behind this prefix.
_ISATAP = {0x00005EFE, 0x02005EFE}  # Bits 64 to 95; an IPv4 address follows.


class AddressRefused(Exception):
    """The host resolves to a forbidden address: no connection was made. The message may be shown to
    those who named the host; `addresses` are for logs only.
    """

    def __init__(self, message: str, addresses: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.addresses = addresses


class GuardedTransport(httpx.AsyncHTTPTransport):
    """httpx's transport on a network that refuses private addresses, at each redirect again."""

    def __init__(self, allowed_hosts: frozenset[str]) -> None:
        super().__init__(trust_env=False)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=httpx.create_ssl_context(),
            network_backend=GuardedNetwork(allowed_hosts),
            max_connections=CONNECTIONS_MAX,
            max_keepalive_connections=KEPT_ALIVE_MAX,
            keepalive_expiry=KEPT_ALIVE_SECONDS,
        )


class GuardedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to the very address that was checked, so that a second look-up cannot differ."""

    def __init__(self, allowed_hosts: frozenset[str]) -> None:
        self._allowed_hosts = allowed_hosts
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore names it so.
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        address = host
        if not is_among(host, port, self._allowed_hosts):
            address = await checked_address(host, port)
        return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)


async def checked_address(host: str, port: int) -> str:
    """Resolve a host; raise AddressRefused unless every address it has is a public one."""
    if port not in WEB_PORTS:
        raise AddressRefused(f"port {port} is not one of the web's")
    addresses = await _addresses(host, port)
    if not addresses or not all(is_public(address) for address in addresses):
        raise AddressRefused(f"{host} is not at a public address", addresses)
    return addresses[0]


async def _addresses(host: str, port: int) -> tuple[str, ...]:
    """Look a name up once for all that ask meanwhile, so that a slow name takes one thread."""
    name = (host, port)
    if (asked := _under_way.get(name)) is None:
        asked = _under_way[name] = _look_ups.submit(_look_up, host, port)
        asked.add_done_callback(lambda _: _under_way.pop(name, None))
    try:
        async with asyncio.timeout(LOOK_UP_SECONDS):
            found = await asyncio.shield(asyncio.wrap_future(asked))
    except TimeoutError as error:
        raise httpx.ConnectTimeout(f"{host} was not found in time") from error
    if isinstance(found, Exception):
        raise httpx.ConnectError(str(found)) from found
    return found


def _look_up(host: str, port: int) -> tuple[str, ...] | Exception:
    """Return an error instead of raising it: perhaps no caller waits any more."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return error
    return tuple(str(each[4][0]) for each in found)


def is_public(text: str) -> bool:
    """Return whether an address is public; of one inside an IPv6 address, whether that one is."""
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address):
        inner = _inner_address(address)
        if inner is not None:
            return is_public(str(inner))
        if int(address) >> 32 & 0xFFFFFFFF in _ISATAP:
            return False
    if any(address in network for network in REFUSED_NETWORKS):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _inner_address(address: IPv6Address) -> IPv4Address | None:
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped
