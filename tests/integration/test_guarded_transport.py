"""The guard against reaching inwards: no address that is not a public one passes."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from adapters import guarded_transport
from adapters.files import FileStorage
from adapters.guarded_transport import (
    AddressRefused,
    GuardedTransport,
    checked_address,
    is_public,
)
from tests.support.waiting import until


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.9.1", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1"),
        *("169.254.169.254", "100.64.0.1", "198.18.0.1", "224.0.0.1", "255.255.255.255"),
        *("::1", "::", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:127.0.0.1"),
        *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a9fe:a9fe::1"),
        *("192.0.0.192", "192.0.0.9", "168.63.129.16", "100.100.100.200", "192.88.99.1"),
        *("192.175.48.1", "192.31.196.1", "192.52.193.1", "192.0.2.1", "203.0.113.1", "240.0.0.1"),
        *("fec0::1", "feff::1", "3fff::1", "3fff:fff::1", "64:ff9b:1::1", "64:ff9b:1::808:808"),
        *("2002:808:808::1", "2001::1", "2001:0:a9fe:a9fe::1", "2001:20::1", "2001:db8::1"),
        *("::1.1.1.1", "::ffff:0:1.1.1.1", "::ffff:169.254.169.254", "100::1", "100:0:0:1::1"),
        *("2606:4700::5efe:a9fe:a9fe", "2606:4700::200:5efe:a00:1", "5f00::1", "3ffe::1"),
        *("2620:4f:8000::1", "fd00:ec2::254", "64:ff9b::192.0.0.192"),
    ],
)
def test_a_private_address_is_refused_however_it_is_written(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("1.1.1.1", "93.184.216.34", "192.0.1.1", "168.63.129.17", "192.88.98.1", "100.128.0.1"),
        *("2606:4700::1111", "2a00:1450:4001:80b::200e", "64:ff9b::1.1.1.1", "::ffff:1.1.1.1"),
    ],
)
def test_a_public_address_passes(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "127.1", "::1", "0"]
)
async def test_a_host_that_resolves_inwards_is_refused(host: str) -> None:
    with pytest.raises(AddressRefused):
        await checked_address(host, 80)


async def test_a_refusal_tells_no_stranger_where_a_name_leads() -> None:
    with pytest.raises(AddressRefused) as caught:
        await checked_address("localhost", 80)
    assert str(caught.value) == "localhost is not at a public address"
    assert set(caught.value.addresses) <= {"127.0.0.1", "::1"}


@pytest.mark.parametrize("port", [22, 25, 6379, 4222])
async def test_only_ports_of_the_web_are_reached(port: int) -> None:
    with pytest.raises(AddressRefused):
        await checked_address("1.1.1.1", port)


async def test_no_connection_is_made_to_a_refused_address_through_a_redirect_either() -> None:
    touched: list[str] = []

    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        location = f"http://127.0.0.1:{inner_port}/secret"
        writer.write(f"HTTP/1.1 302 Found\r\nLocation: {location}\r\n\r\n".encode())
        writer.close()

    async def secret(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        touched.append("secret")
        writer.close()

    outer = await asyncio.start_server(redirect, "127.0.0.1", 0)
    inner = await asyncio.start_server(secret, "127.0.0.1", 0)
    outer_port = outer.sockets[0].getsockname()[1]
    inner_port = inner.sockets[0].getsockname()[1]
    async with outer, inner:
        transport = GuardedTransport(frozenset({f"127.0.0.1:{outer_port}"}))
        async with httpx.AsyncClient(transport=transport, follow_redirects=True) as client:
            with pytest.raises(AddressRefused):
                await client.get(f"http://127.0.0.1:{outer_port}/")
    assert touched == []


class SlowNames:
    """A name server that answers when the test lets it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers = threading.Event()

    def look_up(self, host: str, *_: object, **__: object) -> list[object]:
        self.asked.append(host)
        self.answers.wait(30.0)
        return []


@pytest.fixture
def slow_names(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowNames]:
    names = SlowNames()
    monkeypatch.setattr(socket, "getaddrinfo", names.look_up)
    yield names
    names.answers.set()


async def test_names_that_are_found_slowly_keep_nobody_from_a_file(
    slow_names: SlowNames, tmp_path: Path
) -> None:
    looks = [asyncio.create_task(checked_address(f"slow-{n}.test", 443)) for n in range(40)]
    await until(lambda: len(slow_names.asked) == len(looks))
    async with asyncio.timeout(3.0):
        await FileStorage(tmp_path).put("artifacts/a", b"picture")
    assert not any(look.done() for look in looks)
    slow_names.answers.set()
    found = await asyncio.gather(*looks, return_exceptions=True)
    assert all(isinstance(each, AddressRefused) for each in found)


async def test_a_name_is_looked_up_once_for_all_who_ask_meanwhile(slow_names: SlowNames) -> None:
    looks = [asyncio.create_task(checked_address("one.test", 443)) for _ in range(20)]
    await until(lambda: slow_names.asked)
    slow_names.answers.set()
    await asyncio.gather(*looks, return_exceptions=True)
    assert slow_names.asked == ["one.test"]


async def test_a_name_is_waited_for_a_few_seconds_only(
    slow_names: SlowNames, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guarded_transport, "LOOK_UP_SECONDS", 0.05)
    with pytest.raises(httpx.ConnectTimeout):
        await checked_address("late.test", 443)
    assert slow_names.asked == ["late.test"]
