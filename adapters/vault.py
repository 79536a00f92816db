"""The vault: seals what people wrote or got under a key of their account."""

import asyncio
import hashlib
import os
from typing import Protocol

import structlog
from nats.aio.client import Client
from nats.errors import Error as BrokerError
from nats.js.errors import APIError, KeyNotFoundError, KeyWrongLastSequenceError

from adapters.buckets import LazyBucket
from adapters.sealed_box import SealedBox, derive
from adapters.storage import BadKey, Storage, StorageUnavailable
from contracts.ids import AccountId
from contracts.sealed import Sealed, StoredBox
from contracts.subjects import KEY_BUCKET

logger = structlog.get_logger()

INLINE_BYTES_MAX = 64 * 1024
KEY_BYTES = 32
KEYS_CACHED_MAX = 10_000
COPY_SECONDS_MAX = 1.0


class Unreadable(Exception):
    """The value can never be read: its key or its box is gone, or was tampered with."""


class KeysUnavailable(Exception):
    """The key store did not answer, or refused: try again."""


class KeyUnusable(KeysUnavailable):
    """There is no key to seal with, and this process cannot make one: an operator has to act."""


class KeyStore(Protocol):
    """Wrapped account keys; a key that is kept is never replaced. Raises KeysUnavailable. `get`
    returns b"" where a key was removed, None where there never was one. `create` returns the key
    that is kept: the given one, or one that came before it.
    """

    makes_keys: bool

    async def get(self, account: AccountId) -> bytes | None: ...

    async def create(self, account: AccountId, wrapped: bytes) -> bytes: ...


class BrokerKeyStore:
    """The broker's key bucket, which takes one value for each account and no markers of deletion
    (broker_setup.py). Only the api's user may write to it, so only the api makes keys.
    """

    def __init__(self, client: Client, *, makes_keys: bool = False) -> None:
        self.makes_keys = makes_keys
        self._bucket = LazyBucket(client, KEY_BUCKET)

    async def get(self, account: AccountId) -> bytes | None:
        try:
            return (await (await self._bucket.open()).get(account)).value or b""
        except KeyNotFoundError as error:
            # The marker is from a version in which the bucket took them: the key was removed.
            return b"" if error.op else None
        except (BrokerError, OSError, TimeoutError) as error:
            raise _unavailable(error) from error

    async def create(self, account: AccountId, wrapped: bytes) -> bytes:
        try:
            await (await self._bucket.open()).create(account, wrapped)
        except (KeyWrongLastSequenceError, APIError) as error:
            kept = await self.get(account)  # APIError: there is one already, or no space.
            if kept is None:
                raise _unavailable(error) from error
            return kept
        except (BrokerError, OSError, TimeoutError) as error:
            raise _unavailable(error) from error
        return wrapped


class Vault:
    """Account keys are made at first use, wrapped by the master key, and kept in two places: in the
    key store, which decides whose key was first, and in storage, so that they outlive a lost
    broker. Neither is ever overwritten. A key is used only after both places have it; when a crash
    left it in one of them only, it is copied to the other.
    """

    def __init__(self, master_key: bytes, keys: KeyStore, storage: Storage) -> None:
        self._master = SealedBox(derive(master_key, "wrap"))
        self._keys = keys
        self._storage = storage
        self._cache: dict[AccountId, SealedBox] = {}
        self._copied: set[AccountId] = set()  # Accounts whose key is known to be in storage.

    async def seal(self, account: AccountId, plaintext: bytes) -> Sealed:
        """Seal; a large value goes to storage. Raise KeysUnavailable or StorageUnavailable."""
        key = await self._find(account) or await self._make(account)
        if self._keys.makes_keys and account not in self._copied:
            await self._complete_copy(account)
        box = key.seal(plaintext, account)
        if len(box) <= INLINE_BYTES_MAX:
            return Sealed(box=box)
        digest = hashlib.sha256(box).hexdigest()
        stored = StoredBox(key=f"sealed/{digest}", sha256=digest, size_bytes=len(box))
        await self._storage.put(stored.key, box)
        return Sealed(stored=stored)

    async def seal_words(self, account: AccountId, words: str) -> Sealed:
        """Seal words that are not worth stopping a job for: without a key, as an empty value."""
        try:
            return await self.seal(account, words.encode(errors="replace"))
        except KeyUnusable as error:
            reason = str(error)
            logger.error("words_not_sealed", account=account, reason=reason)  # noqa: TRY400 - enough.
            return Sealed()

    async def unseal(self, account: AccountId, sealed: Sealed) -> bytes:
        """Unseal, with no new key; raise Unreadable, KeysUnavailable, StorageUnavailable."""
        box = await self._box(sealed)
        try:
            key = await self._find(account)
        except KeyUnusable as error:
            raise Unreadable(str(error)) from error
        if key is None:
            raise Unreadable("the account has no key")
        plaintext = key.open(box, account)
        if plaintext is None:
            raise Unreadable("the sealed value does not open with its account's key")
        return plaintext

    async def unseal_text(self, account: AccountId, sealed: Sealed | None) -> str:
        """Return the text, or an empty one when there is none or it can no longer be read."""
        if sealed is None:
            return ""
        try:
            return (await self.unseal(account, sealed)).decode(errors="replace")
        except Unreadable:
            return ""

    def public_url(self, key: str) -> str | None:
        """Return where a stored object can be fetched without us, if it can."""
        return self._storage.public_url(key)

    async def _box(self, sealed: Sealed) -> bytes:
        if sealed.stored is None:
            if sealed.box is None:
                raise Unreadable("there is no sealed value")
            return sealed.box
        try:
            box = await self._storage.get(sealed.stored.key)
        except BadKey as error:
            raise Unreadable("the sealed value's place is not one") from error
        if box is None or hashlib.sha256(box).hexdigest() != sealed.stored.sha256:
            raise Unreadable(
                "the sealed value is gone from storage" if box is None else "it was changed there"
            )
        return box

    async def _find(self, account: AccountId) -> SealedBox | None:
        """Return the account's key, None where none was ever made; raise KeyUnusable."""
        if (cached := self._cache.get(account)) is not None:
            return cached
        wrapped = await self._keys.get(account)
        if (key := self._unwrap(account, wrapped)) is not None:
            return self._remember(account, key)
        copy = await self._storage.get(_place(account))
        if (key := self._unwrap(account, copy)) is not None:
            await self._bring_back(account, wrapped, copy or b"")
            return self._remember(account, key)
        if wrapped is None and copy is None:
            return None
        raise KeyUnusable("the account's key was removed, or does not open with this master key")

    async def _make(self, account: AccountId) -> SealedBox:
        if not self._keys.makes_keys:
            raise KeyUnusable("the account has no key, and this service makes none")
        fresh = self._master.seal(os.urandom(KEY_BYTES), account)
        wrapped = await self._keys.create(account, fresh)
        await self._storage.create(_place(account), wrapped)
        self._copied.add(account)
        key = self._unwrap(account, wrapped)
        if key is None:
            raise KeyUnusable("the account's key does not open with this master key")
        return self._remember(account, key)

    async def _complete_copy(self, account: AccountId) -> None:
        """Copy the key to storage: the process that made it may have died before it did so. While
        storage is away, the copy is left to the next process that seals: no work is refused for it.
        """
        self._copied.add(account)
        wrapped = await self._keys.get(account)
        if not wrapped:
            return
        try:
            async with asyncio.timeout(COPY_SECONDS_MAX):
                made = await self._storage.create(_place(account), wrapped)
        except (StorageUnavailable, TimeoutError) as error:
            logger.warning("key_copy_waits", account=account, reason=repr(error))
            return
        if made:
            logger.warning("key_copy_was_missing", account=account)

    async def _bring_back(self, account: AccountId, wrapped: bytes | None, copy: bytes) -> None:
        if wrapped is not None:  # The store replaces no key, so the copy in storage is used.
            logger.error("key_tampered_with", account=account)
        elif self._keys.makes_keys:
            await self._keys.create(account, copy)

    def _unwrap(self, account: AccountId, wrapped: bytes | None) -> SealedBox | None:
        plain = self._master.open(wrapped or b"", account)
        return SealedBox(plain) if plain is not None and len(plain) == KEY_BYTES else None

    def _remember(self, account: AccountId, key: SealedBox) -> SealedBox:
        if len(self._cache) >= KEYS_CACHED_MAX:
            self._cache.clear()
            self._copied.clear()
        self._cache[account] = key
        return key


def _unavailable(error: Exception) -> KeysUnavailable:
    return KeysUnavailable(f"{type(error).__name__}: {error}")


def _place(account: AccountId) -> str:
    return f"keys/{account}"
