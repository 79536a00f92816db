"""What is sealed opens with its own account's key, and with no other."""

from pathlib import Path

import pytest
from msgspec import structs

from adapters.storage import FileStorage
from adapters.vault import INLINE_BYTES_MAX, MemoryKeyStore, Unreadable, Vault, derive
from contracts.sealed import Sealed
from tests.support.examples import ACCOUNT, OTHER

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


async def test_a_missing_box_is_unreadable(storage: FileStorage) -> None:
    with pytest.raises(Unreadable):
        await Vault(MASTER, MemoryKeyStore(), storage).unseal(ACCOUNT, Sealed())


def test_no_key_serves_two_purposes() -> None:
    assert derive(MASTER, "wrap") != derive(MASTER, "attempt tokens")
