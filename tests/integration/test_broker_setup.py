"""The set-up step: buckets that hold what they must, are bounded, and migrate."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import nats
import pytest
from nats.aio.client import Client
from nats.js.api import KeyValueConfig, StreamConfig
from nats.js.errors import APIError
from nats.js.kv import KeyValue

from adapters.broker import connect
from adapters.broker_setup import BUCKETS, set_up
from adapters.event_log.jetstream import EPOCH_KEY, FORMAT_KEY, JetStreamLog
from adapters.vault import BrokerKeyStore, KeysUnavailable, Unreadable, Vault
from application.event_log import LogUnavailable
from contracts.sealed import Sealed
from contracts.subjects import ALL, KEY_BUCKET, STREAM, TICKET_BUCKET
from tests.support.examples import ACCOUNT, OTHER
from tests.support.memory import MemoryStorage
from tests.support.servers import nats_cluster
from tests.support.waiting import until

MASTER = bytes(range(32))
LOG_BYTES = 64 * 1024**2


async def opened(url: str) -> Client:
    client = await nats.connect(url.split(","))

    async def has_leader() -> bool:
        try:
            await client.jetstream().account_info()
        except nats.errors.Error:
            return False
        return True

    await until(has_leader)
    return client


@pytest.fixture(params=[1, 3], ids=["one server", "three servers"])
async def old_world(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Client, int]]:
    """A broker whose buckets are as the first versions made them: without any limit."""
    url = request.getfixturevalue("one_server" if request.param == 1 else "three_servers")
    client = await opened(url)
    jetstream = client.jetstream()
    for stream in await jetstream.streams_info():
        await jetstream.delete_stream(str(stream.config.name))
    for bucket in BUCKETS:
        old = KeyValueConfig(bucket.name, ttl=bucket.seconds_max or None)
        old.replicas = request.param
        await jetstream.create_key_value(old)
    yield client, request.param
    await client.close()


async def bucket_of(client: Client, name: str) -> KeyValue:
    return await client.jetstream().key_value(name)


Attack = Callable[[KeyValue, Client], Awaitable[object]]
ATTACKS: dict[str, Attack] = {
    "put": lambda bucket, _: bucket.put(ACCOUNT, b"other"),
    "create": lambda bucket, _: bucket.create(ACCOUNT, b"other"),
    "update": lambda bucket, _: bucket.update(ACCOUNT, b"other", last=1),
    "delete": lambda bucket, _: bucket.delete(ACCOUNT),
    "purge": lambda bucket, _: bucket.purge(ACCOUNT),
    "rollup": lambda _, client: client.jetstream().publish(
        "$KV.keys.another", b"x", headers={"Nats-Rollup": "all"}
    ),
    "message delete": lambda _, client: client.jetstream().delete_msg("KV_keys", 1),
}


async def test_a_key_that_stands_in_the_bucket_cannot_be_replaced_or_removed(
    old_world: tuple[Client, int],
) -> None:
    client, size = old_world
    await (await bucket_of(client, KEY_BUCKET)).create(ACCOUNT, b"first")
    await set_up(client, log_bytes_max=LOG_BYTES, replicas=size)
    bucket = await bucket_of(client, KEY_BUCKET)
    for name, attack in ATTACKS.items():
        with pytest.raises(nats.js.errors.Error):
            await attack(bucket, client)
        assert (await bucket.get(ACCOUNT)).value == b"first", name
    # An operator may: a person's erasure needs it.
    await client.jetstream().purge_stream("KV_keys", subject=f"$KV.keys.{ACCOUNT}")
    assert await BrokerKeyStore(client).get(ACCOUNT) is None


async def test_every_bucket_of_an_old_world_gets_its_limits_and_keeps_its_values(
    old_world: tuple[Client, int],
) -> None:
    client, size = old_world
    jetstream = client.jetstream()
    for bucket in BUCKETS:
        await (await bucket_of(client, bucket.name)).put("k", b"v")
    for _ in range(2):
        await set_up(client, log_bytes_max=LOG_BYTES, replicas=size)
        for bucket in BUCKETS:
            config = (await jetstream.stream_info(f"KV_{bucket.name}")).config
            assert config.max_bytes == bucket.bytes_max
            assert config.max_age == bucket.seconds_max
            assert config.num_replicas == size
            assert (await (await bucket_of(client, bucket.name)).get("k")).value == b"v"


async def narrowed(client: Client, name: str) -> None:
    """Set the limit of a bucket below what it holds."""
    jetstream = client.jetstream()
    config: StreamConfig = (await jetstream.stream_info(f"KV_{name}")).config
    await jetstream.update_stream(config.evolve(max_bytes=1))


async def test_a_full_bucket_refuses_what_is_new_and_serves_what_it_has() -> None:
    with nats_cluster(1) as url:
        client = await opened(url)
        await set_up(client, log_bytes_max=LOG_BYTES, replicas=1)
        storage = MemoryStorage()
        vault = Vault(MASTER, BrokerKeyStore(client, makes_keys=True), storage)
        sealed = await vault.seal(ACCOUNT, b"x")
        await narrowed(client, KEY_BUCKET)
        with pytest.raises(KeysUnavailable, match="maximum bytes"):
            await vault.seal(OTHER, b"y")
        assert f"keys/{OTHER}" not in storage.objects
        later = Vault(MASTER, BrokerKeyStore(client, makes_keys=True), storage)
        assert await later.unseal(ACCOUNT, sealed) == b"x"
        await later.seal(ACCOUNT, b"z")
        await narrowed(client, TICKET_BUCKET)
        with pytest.raises(APIError, match="maximum bytes"):
            await (await bucket_of(client, TICKET_BUCKET)).put("t", b"x")
        await set_up(client, log_bytes_max=LOG_BYTES, replicas=1)
        await later.seal(OTHER, b"y")
        await client.close()


async def test_a_lost_key_bucket_is_filled_again_from_storage() -> None:
    with nats_cluster(1) as url:
        client = await opened(url)
        await set_up(client, log_bytes_max=LOG_BYTES, replicas=1)
        storage = MemoryStorage()
        sealed = await Vault(MASTER, BrokerKeyStore(client, makes_keys=True), storage).seal(
            ACCOUNT, b"x"
        )
        before = dict(storage.objects)
        await client.jetstream().delete_stream("KV_keys")
        with pytest.raises(KeysUnavailable):
            await Vault(MASTER, BrokerKeyStore(client), storage).unseal(ACCOUNT, sealed)
        await set_up(client, log_bytes_max=LOG_BYTES, replicas=1)
        reader = BrokerKeyStore(client)
        assert await Vault(MASTER, reader, storage).unseal(ACCOUNT, sealed) == b"x"
        assert await reader.get(ACCOUNT) is None
        maker = BrokerKeyStore(client, makes_keys=True)
        await Vault(MASTER, maker, storage).seal(ACCOUNT, b"y")
        assert await reader.get(ACCOUNT) == before[f"keys/{ACCOUNT}"]
        assert storage.objects == before
        await client.close()


async def test_a_marker_from_before_is_a_removed_key_and_not_a_missing_one() -> None:
    with nats_cluster(1) as url:
        client = await opened(url)
        old = await client.jetstream().create_key_value(KeyValueConfig(KEY_BUCKET))
        await old.create(ACCOUNT, b"x")
        await old.delete(ACCOUNT)
        await set_up(client, log_bytes_max=LOG_BYTES, replicas=1)
        keys = BrokerKeyStore(client, makes_keys=True)
        assert await keys.get(ACCOUNT) == b""
        with pytest.raises(Unreadable):
            await Vault(MASTER, keys, MemoryStorage()).unseal(ACCOUNT, Sealed(box=bytes(40)))
        await client.close()


async def test_two_processes_that_need_a_key_at_once_use_one(one_server: str) -> None:
    client = await opened(one_server)
    await set_up(client, log_bytes_max=LOG_BYTES, replicas=1)
    storage = MemoryStorage()
    vaults = [Vault(MASTER, BrokerKeyStore(client, makes_keys=True), storage) for _ in range(8)]
    boxes = await asyncio.gather(*(vault.seal(ACCOUNT, b"x") for vault in vaults))
    for sealed in boxes:
        assert await vaults[0].unseal(ACCOUNT, sealed) == b"x"
    await client.close()


async def test_a_broker_that_is_away_is_unavailable_keys_and_not_missing_ones(
    broker: tuple[str, dict[str, str]],
) -> None:
    url, passwords = broker
    client = await connect(url, "dispatcher", passwords["dispatcher"], "test")
    await client.close()
    with pytest.raises(KeysUnavailable):
        await BrokerKeyStore(client).get(ACCOUNT)


async def test_a_repeat_that_does_not_say_how_it_was_made_narrows_nothing(
    old_world: tuple[Client, int],
) -> None:
    client, size = old_world
    await set_up(client, log_bytes_max=LOG_BYTES, replicas=size)
    await set_up(client, log_bytes_max=LOG_BYTES // 2, replicas=1)
    jetstream = client.jetstream()
    for name in ("LOG", "DEAD_LETTERS", *(f"KV_{bucket.name}" for bucket in BUCKETS)):
        assert (await jetstream.stream_info(name)).config.num_replicas == size, name
    assert (await jetstream.stream_info("LOG")).config.max_bytes == LOG_BYTES


async def test_a_log_of_the_first_version_is_left_alone_and_the_cure_is_named(
    old_world: tuple[Client, int],
) -> None:
    client, _ = old_world
    old = StreamConfig(name=STREAM, subjects=[ALL], metadata={EPOCH_KEY: "old"})
    await client.jetstream().add_stream(old)
    for take in (set_up(client, log_bytes_max=LOG_BYTES, replicas=1), JetStreamLog.open(client)):
        with pytest.raises(LogUnavailable, match="make clean-world"):
            await take
    kept = (await client.jetstream().stream_info(STREAM)).config.metadata or {}
    assert kept[EPOCH_KEY] == "old"
    assert FORMAT_KEY not in kept
    await client.jetstream().delete_stream(STREAM)
