"""Whose signature a delivery has: keys that rotate, keys that cannot be had, wrong clocks."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.ingestor.signatures import REFRESH_SECONDS_MIN, STALE_ALARM, Rejection, Signatures
from simulator.webhooks import Webhooks
from tests.support.virtual_time import VirtualLoop, run

BODY = b'{"request_id":"r","status":"OK","payload":{}}'
NOW = 1_800_000_000


class KeyServer:
    """The provider's key server, by hand: it may be away, or answer junk."""

    def __init__(self) -> None:
        self.provider = Webhooks(Ed25519PrivateKey.generate())
        self.mode = "well"
        self.asked = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        del scope, receive
        self.asked += 1
        await asyncio.sleep(0.1)
        status = 503 if self.mode == "away" else 200
        keys = self.provider.key_set()
        if self.mode == "broken key":
            broken = [{"kty": "OKP", "crv": "Ed25519", "x": x} for x in ("", "AAAA", "é")]
            keys = {"keys": [*broken, *keys["keys"]]}
        if self.mode == "named algorithm":  # RFC 9864 has another name for it than RFC 8037.
            keys = {"keys": [each | {"alg": "Ed25519"} for each in keys["keys"]]}
        body = b"<html>" if self.mode == "junk" else msgspec.json.encode(keys)
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": body})


Play = Callable[[KeyServer, Signatures], Awaitable[None]]


def played(play: Play) -> None:
    """Play on virtual time."""

    async def main() -> None:
        server = KeyServer()
        transport = httpx.ASGITransport(server)
        async with httpx.AsyncClient(transport=transport) as client:
            await play(server, Signatures("https://keys/jwks.json", "", client))

    run(main(), VirtualLoop())


async def delivered(server: KeyServer, signatures: Signatures, age: int = 0) -> Rejection | None:
    headers = server.provider.sign("r", BODY, at=NOW - age)
    lowered = {name.lower(): value for name, value in headers.items()}
    return await signatures.check(lowered, BODY, NOW)


def test_keys_are_fetched_once_and_kept() -> None:
    async def play(server: KeyServer, signatures: Signatures) -> None:
        for _ in range(10):
            assert await delivered(server, signatures) is None
        assert server.asked == 1

    played(play)


def test_many_deliveries_at_once_fetch_the_keys_once() -> None:
    async def play(server: KeyServer, signatures: Signatures) -> None:
        answers = await asyncio.gather(*(delivered(server, signatures) for _ in range(20)))
        assert (set(answers), server.asked) == ({None}, 1)

    played(play)


def test_a_rotated_key_is_fetched_and_holds() -> None:
    async def play(server: KeyServer, signatures: Signatures) -> None:
        assert await delivered(server, signatures) is None
        server.provider.rotate()
        await asyncio.sleep(REFRESH_SECONDS_MIN + 1)
        assert await delivered(server, signatures) is None
        assert server.asked == 2

    played(play)


def test_forgeries_make_us_ask_for_keys_at_most_once_a_minute() -> None:
    async def play(server: KeyServer, signatures: Signatures) -> None:
        assert await delivered(server, signatures) is None
        forger = KeyServer()
        for _ in range(100):
            assert await delivered(forger, signatures) is Rejection.BAD_SIGNATURE
            await asyncio.sleep(1)
        assert server.asked <= 3

    played(play)


def test_while_the_key_server_is_away_the_last_good_keys_hold() -> None:
    async def play(server: KeyServer, signatures: Signatures) -> None:
        assert await delivered(server, signatures) is None
        server.mode = "away"
        for _ in range(50):  # Two days.
            await asyncio.sleep(3600)
            assert await delivered(server, signatures) is None
        asked = server.asked
        assert await delivered(server, signatures) is None
        assert server.asked == asked, "asked again at once"

    played(play)


def test_a_key_that_is_none_does_not_take_the_others_with_it() -> None:
    async def play(server: KeyServer, signatures: Signatures) -> None:
        server.mode = "broken key"
        assert await delivered(server, signatures) is None

    played(play)


def test_without_any_key_nothing_is_believed_and_it_is_not_called_a_forgery() -> None:
    async def play(server: KeyServer, signatures: Signatures) -> None:
        for mode in ("away", "junk"):
            server.mode = mode
            assert await delivered(server, signatures) is Rejection.NO_KEYS
            await asyncio.sleep(6)
        server.mode = "well"
        assert await delivered(server, signatures) is None

    played(play)


def test_authentic_deliveries_with_a_wrong_time_raise_an_alarm_and_forged_ones_none() -> None:
    async def play(server: KeyServer, signatures: Signatures) -> None:
        forger = KeyServer()
        for _ in range(STALE_ALARM):
            assert await delivered(forger, signatures, age=400) is Rejection.BAD_SIGNATURE
        assert not signatures.alarms
        for age in (301, -301, 400):
            assert await delivered(server, signatures, age) is Rejection.STALE
        assert signatures.alarms
        assert await delivered(server, signatures, 299) is None
        assert not signatures.alarms

    played(play)


def test_a_key_that_names_its_algorithm_is_a_key() -> None:
    async def play(server: KeyServer, signatures: Signatures) -> None:
        server.mode = "named algorithm"
        assert await delivered(server, signatures) is None

    played(play)
