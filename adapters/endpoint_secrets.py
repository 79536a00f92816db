"""Secrets of customers' endpoints: wrapped by the master key, in a bucket of their own."""

import os
from base64 import b64encode
from contextlib import suppress
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct
from nats.aio.client import Client
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError

from adapters.buckets import LazyBucket
from adapters.sealed_box import SealedBox, derive
from application.clock import now
from application.event_log import LogUnavailable
from contracts.ids import EndpointId
from contracts.subjects import SEALING_BUCKET

SECRET_BYTES = 24
TRIES_MAX = 8
MARKER_SECONDS = 60.0  # How long a marker of a deleted secret stays in the bucket.
OLD_HOLDS = timedelta(hours=24)  # After a rotation deliveries are signed with both secrets.


class Kept(Struct, frozen=True, omit_defaults=True):
    """`sequence` is that of the commit that made `current`; 0 if the registration made it."""

    current: str
    sequence: int = 0
    previous: str | None = None
    previous_until: datetime | None = None


_decoder = msgspec.json.Decoder(Kept)


def fresh_secret() -> str:
    """Return a secret in the form that Standard Webhooks asks for."""
    return f"whsec_{b64encode(os.urandom(SECRET_BYTES)).decode()}"


class EndpointSecrets:
    def __init__(self, client: Client, master_key: bytes) -> None:
        self._bucket = LazyBucket(client, SEALING_BUCKET)
        self._boxes = SealedBox(derive(master_key, "endpoint secrets"))

    async def keep(self, endpoint: EndpointId, secret: str, sequence: int = 0) -> None:
        """Keep a secret; the one before it stays valid for a day. Of two that come at once the one
        of the later commit is kept. The same one again changes nothing.
        """
        for _ in range(TRIES_MAX):
            with suppress(KeyWrongLastSequenceError):  # Another process changed it in between.
                await self._keep(endpoint, secret, sequence)
                return
        raise LogUnavailable(f"the secret of {endpoint} is being changed")

    async def _keep(self, endpoint: EndpointId, secret: str, sequence: int) -> None:
        bucket = await self._bucket.open()
        kept_before, revision = await self._get(endpoint)
        if kept_before is None:
            kept = Kept(secret, sequence)
        elif kept_before.sequence < sequence:
            kept = Kept(secret, sequence, kept_before.current, now() + OLD_HOLDS)
        else:
            return
        box = self._boxes.seal(msgspec.json.encode(kept), endpoint)
        await bucket.update(endpoint, box, last=revision)

    async def holding(self, endpoint: EndpointId) -> list[str]:
        """Return the secrets that are valid now, the newest first; none when they are gone."""
        kept, _ = await self._get(endpoint)
        if kept is None:
            return []
        is_old_valid = kept.previous_until is not None and kept.previous_until > now()
        return [kept.current, *([kept.previous] if kept.previous and is_old_valid else [])]

    async def forget(self, endpoint: EndpointId) -> None:
        await (await self._bucket.open()).purge(endpoint, msg_ttl=MARKER_SECONDS)

    async def _get(self, endpoint: EndpointId) -> tuple[Kept | None, int]:
        """Return what is kept, and the revision that the next change has to name."""
        try:
            entry = await (await self._bucket.open()).get(endpoint)
        except KeyNotFoundError as error:  # Never there, or deleted: then it has a revision.
            return None, error.entry.revision if error.entry is not None else 0
        plain = self._boxes.open(entry.value or b"", endpoint)
        kept = _decoder.decode(plain) if plain is not None else None
        return kept, entry.revision or 0
