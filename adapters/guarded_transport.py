"""The guard against reaching inwards: names are resolved, checked, and connected to as checked."""

import asyncio
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

import httpcore
import httpx

PORTS = frozenset({80, 443, 8080, 8443})
# IPv6 ranges that carry an IPv4 address in their last, or second, 32 bits.
_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
_SIX_TO_FOUR = IPv6Network("2002::/16")


class AddressRefused(Exception):
    """The host resolves to an address that must not be reached. No connection was made."""


class GuardedTransport(httpx.AsyncHTTPTransport):
    """httpx's transport on a network that refuses private addresses, at each redirect anew."""

    def __init__(self, allowed_hosts: frozenset[str]) -> None:
        super().__init__(trust_env=False)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=httpx.create_ssl_context(),
            network_backend=GuardedNetwork(allowed_hosts),
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
        if f"{host}:{port}" not in self._allowed_hosts:
            address = await checked_address(host, port)
        return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)


async def checked_address(host: str, port: int) -> str:
    """Resolve a host; raise AddressRefused unless every address it has is a public one."""
    if port not in PORTS:
        msg = f"port {port}"
        raise AddressRefused(msg)
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise httpx.ConnectError(str(error)) from error
    addresses = [str(each[4][0]) for each in found]
    if not addresses or not all(is_public(address) for address in addresses):
        msg = f"{host} is {', '.join(addresses)}"
        raise AddressRefused(msg)
    return addresses[0]


def is_public(text: str) -> bool:
    """Tell whether an address is a public one, also when it hides inside an IPv6 address."""
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address):
        inner = _inner_address(address)
        if inner is not None:
            return is_public(str(inner))
    return address.is_global and not address.is_multicast and not address.is_reserved


def _inner_address(address: IPv6Address) -> IPv4Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    number = int(address)
    if any(address in network for network in _NAT64):
        return IPv4Address(number & 0xFFFFFFFF)
    if address in _SIX_TO_FOUR:
        return IPv4Address(number >> 80 & 0xFFFFFFFF)
    return None
