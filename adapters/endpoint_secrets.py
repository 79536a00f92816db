"""Secrets of customers' endpoints: wrapped by the master key, in a bucket of their own."""

import os
from datetime import datetime, timedelta

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct
from nats.aio.client import Client
from nats.js.errors import KeyNotFoundError
from nats.js.kv import KeyValue

from adapters.clock import now
from adapters.vault import derive
from contracts.ids import EndpointId
from contracts.subjects import SEALING_BUCKET
from domain.notifications import SECRET_BYTES, secret_of

NONCE_BYTES = 12
OLD_HOLDS = timedelta(hours=24)  # After a rotation deliveries carry both signatures for a day.


class Kept(Struct, frozen=True, omit_defaults=True):
    current: str
    previous: str | None = None
    previous_until: datetime | None = None


_decoder = msgspec.json.Decoder(Kept)


class EndpointSecrets:
    def __init__(self, client: Client, master_key: bytes) -> None:
        self._client = client
        self._cipher = AESGCM(derive(master_key, "endpoint secrets"))
        self._bucket: KeyValue | None = None

    async def make(self, endpoint: EndpointId) -> str:
        """Make a secret; one that was there before holds on for a day."""
        known = await self._get(endpoint)
        fresh = secret_of(os.urandom(SECRET_BYTES))
        kept = Kept(fresh)
        if known is not None:
            kept = Kept(fresh, known.current, now() + OLD_HOLDS)
        nonce = os.urandom(NONCE_BYTES)
        box = nonce + self._cipher.encrypt(nonce, msgspec.json.encode(kept), endpoint.encode())
        await (await self._open()).put(endpoint, box)
        return fresh

    async def holding(self, endpoint: EndpointId) -> list[str]:
        """Return the secrets that hold now, the newest first; none when they are gone."""
        known = await self._get(endpoint)
        if known is None:
            return []
        is_old_held = known.previous_until is not None and known.previous_until > now()
        return [known.current, *([known.previous] if known.previous and is_old_held else [])]

    async def forget(self, endpoint: EndpointId) -> None:
        await (await self._open()).delete(endpoint)

    async def _get(self, endpoint: EndpointId) -> Kept | None:
        try:
            box = (await (await self._open()).get(endpoint)).value or b""
        except KeyNotFoundError:
            return None
        try:
            plain = self._cipher.decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], endpoint.encode())
        except (InvalidTag, ValueError):
            return None
        return _decoder.decode(plain)

    async def _open(self) -> KeyValue:
        if self._bucket is None:
            self._bucket = await self._client.jetstream().key_value(SEALING_BUCKET)
        return self._bucket
