"""Buckets of the broker, opened at their first use: a service starts while the broker is away."""

from nats.aio.client import Client
from nats.js.kv import KeyValue


class LazyBucket:
    def __init__(self, client: Client, name: str) -> None:
        self._client = client
        self._name = name
        self._bucket: KeyValue | None = None

    async def open(self) -> KeyValue:
        if self._bucket is None:
            self._bucket = await self._client.jetstream().key_value(self._name)
        return self._bucket
