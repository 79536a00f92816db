"""What is sealed opens with its own account's key, and with no other."""

from pathlib import Path

import pytest
from msgspec import structs

from adapters.files import FileStorage
from adapters.vault import (
    INLINE_BYTES_MAX,
    KeysUnavailable,
    KeyUnusable,
    Unreadable,
    Vault,
)
from contracts.ids import AccountId
from contracts.sealed import Sealed, StoredBox
from tests.support.examples import ACCOUNT, OTHER
from tests.support.memory import MemoryKeyStore

MASTER = bytes(range(32))


@pytest.fixture
def storage(tmp_path: Path) -> FileStorage:
    return FileStorage(tmp_path)


async def test_what_was_sealed_is_read_back(storage: FileStorage) -> None:
    vault = Vault(MASTER, MemoryKeyStore(), storage)
    sealed = await vault.seal(ACCOUNT, b"a prompt")
    assert sealed.box is not None
    assert b"prompt" not in sealed.box
    assert await vault.unseal(ACCOUNT, sealed) == b"a prompt"
    assert (await vault.seal(ACCOUNT, b"a prompt")).box != sealed.box


async def test_another_account_cannot_read_it(storage: FileStorage) -> None:
    vault = Vault(MASTER, MemoryKeyStore(), storage)
    sealed = await vault.seal(ACCOUNT, b"a prompt")
    with pytest.raises(Unreadable):
        await vault.unseal(OTHER, sealed)
    assert await vault.unseal_text(OTHER, sealed) == ""


async def test_a_flipped_bit_is_noticed(storage: FileStorage) -> None:
    vault = Vault(MASTER, MemoryKeyStore(), storage)
    sealed = await vault.seal(ACCOUNT, b"a prompt")
    assert sealed.box is not None
    changed = structs.replace(sealed, box=sealed.box[:-1] + bytes([sealed.box[-1] ^ 1]))
    with pytest.raises(Unreadable):
        await vault.unseal(ACCOUNT, changed)


async def test_a_large_value_is_claimed_from_storage(storage: FileStorage) -> None:
    vault = Vault(MASTER, MemoryKeyStore(), storage)
    large = b"x" * (INLINE_BYTES_MAX + 1)
    sealed = await vault.seal(ACCOUNT, large)
    assert sealed.box is None
    assert sealed.stored is not None
    assert await vault.unseal(ACCOUNT, sealed) == large
    await storage.delete(sealed.stored.key)
    with pytest.raises(Unreadable):
        await vault.unseal(ACCOUNT, sealed)


async def test_a_key_is_kept_twice_and_wrapped(storage: FileStorage) -> None:
    keys = MemoryKeyStore()
    await Vault(MASTER, keys, storage).seal(ACCOUNT, b"x")
    wrapped = await keys.get(ACCOUNT)
    assert wrapped is not None
    assert await storage.get(f"keys/{ACCOUNT}") == wrapped


async def test_two_processes_use_the_same_key(storage: FileStorage) -> None:
    keys = MemoryKeyStore()
    sealed = await Vault(MASTER, keys, storage).seal(ACCOUNT, b"x")
    assert await Vault(MASTER, keys, storage).unseal(ACCOUNT, sealed) == b"x"


async def test_without_the_master_key_nothing_opens(storage: FileStorage) -> None:
    keys = MemoryKeyStore()
    sealed = await Vault(MASTER, keys, storage).seal(ACCOUNT, b"x")
    with pytest.raises(Unreadable):
        await Vault(bytes(32), keys, storage).unseal(ACCOUNT, sealed)


@pytest.mark.parametrize("box", [None, b"", b"short", bytes(27), bytes(28), bytes(500)])
async def test_whatever_is_wrong_with_a_box_it_is_unreadable(
    storage: FileStorage, box: bytes | None
) -> None:
    vault = Vault(MASTER, MemoryKeyStore(), storage)
    await vault.seal(ACCOUNT, b"x")
    with pytest.raises(Unreadable):
        await vault.unseal(ACCOUNT, Sealed(box=box))


async def test_a_stored_box_that_was_changed_or_lies_nowhere_is_unreadable(
    storage: FileStorage,
) -> None:
    vault = Vault(MASTER, MemoryKeyStore(), storage)
    sealed = await vault.seal(ACCOUNT, b"x" * (INLINE_BYTES_MAX + 1))
    other = await vault.seal(ACCOUNT, b"y" * (INLINE_BYTES_MAX + 1))
    assert sealed.stored is not None
    assert other.stored is not None
    body = await storage.get(other.stored.key)
    assert body is not None
    await storage.put(sealed.stored.key, body)  # A box that opens, but another one.
    with pytest.raises(Unreadable, match="changed"):
        await vault.unseal(ACCOUNT, sealed)
    nowhere = Sealed(stored=StoredBox(key="../keys", sha256="", size_bytes=1))
    with pytest.raises(Unreadable):
        await vault.unseal(ACCOUNT, nowhere)


async def test_bytes_that_are_no_text_are_shown_as_what_they_are_not(storage: FileStorage) -> None:
    vault = Vault(MASTER, MemoryKeyStore(), storage)
    assert await vault.unseal_text(ACCOUNT, await vault.seal(ACCOUNT, b"a\xff")) == "a\ufffd"


async def test_a_lost_key_store_is_filled_again_from_storage(storage: FileStorage) -> None:
    old, fresh = MemoryKeyStore(), MemoryKeyStore()
    sealed = await Vault(MASTER, old, storage).seal(ACCOUNT, b"before")
    copy = await storage.get(f"keys/{ACCOUNT}")
    later = await Vault(MASTER, fresh, storage).seal(ACCOUNT, b"after")
    assert await storage.get(f"keys/{ACCOUNT}") == copy
    assert await fresh.get(ACCOUNT) == copy
    vault = Vault(MASTER, fresh, storage)
    assert [await vault.unseal(ACCOUNT, each) for each in (sealed, later)] == [b"before", b"after"]


async def test_reading_makes_no_key(storage: FileStorage) -> None:
    keys = MemoryKeyStore()
    with pytest.raises(Unreadable):
        await Vault(MASTER, keys, storage).unseal(ACCOUNT, Sealed(box=bytes(40)))
    assert await keys.get(ACCOUNT) is None
    assert await storage.get(f"keys/{ACCOUNT}") is None


async def test_a_service_that_makes_no_keys_reads_with_storages_copy(storage: FileStorage) -> None:
    sealed = await Vault(MASTER, MemoryKeyStore(), storage).seal(ACCOUNT, b"x")
    keys = MemoryKeyStore()
    keys.makes_keys = False
    vault = Vault(MASTER, keys, storage)
    assert await vault.unseal(ACCOUNT, sealed) == b"x"
    assert await keys.get(ACCOUNT) is None
    with pytest.raises(KeyUnusable):
        await vault.seal(OTHER, b"x")
    words = await vault.seal_words(OTHER, "The job failed.")
    assert await vault.unseal_text(OTHER, words) == ""


class DyingStorage(FileStorage):
    """Dies before its first object is there."""

    dies = True

    async def create(self, key: str, body: bytes) -> bool:
        if self.dies:
            self.dies = False
            raise KeyboardInterrupt
        return await super().create(key, body)


async def test_a_key_whose_maker_died_before_it_was_copied_is_copied_by_the_next(
    tmp_path: Path,
) -> None:
    storage, keys = DyingStorage(tmp_path), MemoryKeyStore()
    with pytest.raises(KeyboardInterrupt):
        await Vault(MASTER, keys, storage).seal(ACCOUNT, b"x")
    assert await storage.get(f"keys/{ACCOUNT}") is None
    await Vault(MASTER, keys, storage).seal(ACCOUNT, b"x")
    assert await storage.get(f"keys/{ACCOUNT}") == await keys.get(ACCOUNT)


@pytest.mark.parametrize("junk", [b"", b"junk", bytes(60)])
async def test_a_key_that_was_tampered_with_is_read_from_storage(
    storage: FileStorage, junk: bytes
) -> None:
    sealed = await Vault(MASTER, MemoryKeyStore(), storage).seal(ACCOUNT, b"x")
    copy = await storage.get(f"keys/{ACCOUNT}")
    keys = MemoryKeyStore()
    await keys.create(ACCOUNT, junk)
    assert await Vault(MASTER, keys, storage).unseal(ACCOUNT, sealed) == b"x"
    await Vault(MASTER, keys, storage).seal(ACCOUNT, b"y")
    assert await storage.get(f"keys/{ACCOUNT}") == copy
    await storage.put(f"keys/{ACCOUNT}", junk)
    vault = Vault(MASTER, keys, storage)
    with pytest.raises(Unreadable):
        await vault.unseal(ACCOUNT, sealed)
    with pytest.raises(KeyUnusable):
        await vault.seal(ACCOUNT, b"x")


class AwayKeyStore(MemoryKeyStore):
    async def get(self, account: AccountId) -> bytes | None:
        raise KeysUnavailable(account)


async def test_a_key_store_that_is_away_is_not_taken_for_an_empty_one(storage: FileStorage) -> None:
    vault = Vault(MASTER, AwayKeyStore(), storage)
    with pytest.raises(KeysUnavailable):
        await vault.seal(ACCOUNT, b"x")
    with pytest.raises(KeysUnavailable):
        await vault.unseal(ACCOUNT, Sealed(box=bytes(40)))
    with pytest.raises(KeysUnavailable):
        await vault.seal_words(ACCOUNT, "words")
    assert await storage.get(f"keys/{ACCOUNT}") is None
