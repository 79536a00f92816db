"""The vault: seals what people wrote or got under a key of their account."""

import hashlib
import os
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from nats.aio.client import Client
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError
from nats.js.kv import KeyValue

from adapters.storage import Storage
from contracts.ids import AccountId
from contracts.sealed import Sealed, StoredBox
from contracts.subjects import KEY_BUCKET

INLINE_BYTES_MAX = 64 * 1024
NONCE_BYTES = 12
KEYS_CACHED_MAX = 10_000


class Unreadable(Exception):
    """The value cannot be read: its key is gone, or it was tampered with."""


class KeyStore(Protocol):
    """Wrapped account keys. `create` returns what is kept: ours, or what came first."""

    async def get(self, account: AccountId) -> bytes | None: ...

    async def create(self, account: AccountId, wrapped: bytes) -> bytes: ...


class MemoryKeyStore:
    def __init__(self) -> None:
        self._keys: dict[AccountId, bytes] = {}

    async def get(self, account: AccountId) -> bytes | None:
        return self._keys.get(account)

    async def create(self, account: AccountId, wrapped: bytes) -> bytes:
        return self._keys.setdefault(account, wrapped)


class BrokerKeyStore:
    """The broker's key bucket."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._bucket: KeyValue | None = None

    async def get(self, account: AccountId) -> bytes | None:
        try:
            return (await (await self._open()).get(account)).value
        except KeyNotFoundError:
            return None

    async def create(self, account: AccountId, wrapped: bytes) -> bytes:
        try:
            await (await self._open()).create(account, wrapped)
        except KeyWrongLastSequenceError:
            return await self.get(account) or wrapped
        return wrapped

    async def _open(self) -> KeyValue:
        if self._bucket is None:
            self._bucket = await self._client.jetstream().key_value(KEY_BUCKET)
        return self._bucket


class Vault:
    """Account keys are made at first use, wrapped by the master key, and kept twice: in the
    key store, and as one object an account in storage, so that a lost broker does not lose them.
    """

    def __init__(self, master_key: bytes, keys: KeyStore, storage: Storage) -> None:
        self._master = AESGCM(derive(master_key, "wrap"))
        self._keys = keys
        self._storage = storage
        self._cache: dict[AccountId, AESGCM] = {}

    async def seal(self, account: AccountId, plaintext: bytes) -> Sealed:
        """Seal; a large value goes to storage first, and its place and hash are returned."""
        box = _encrypt(await self._key(account), plaintext, account.encode())
        if len(box) <= INLINE_BYTES_MAX:
            return Sealed(box=box)
        digest = hashlib.sha256(box).hexdigest()
        stored = StoredBox(key=f"sealed/{digest}", sha256=digest, size_bytes=len(box))
        await self._storage.put(stored.key, box)
        return Sealed(stored=stored)

    async def unseal(self, account: AccountId, sealed: Sealed) -> bytes:
        """Return the plaintext; raise Unreadable, or StorageUnavailable for a stored box."""
        box = sealed.box
        if sealed.stored is not None:
            box = await self._storage.get(sealed.stored.key)
        if box is None:
            msg = "the sealed value is gone"
            raise Unreadable(msg)
        try:
            return _decrypt(await self._key(account), box, account.encode())
        except (InvalidTag, ValueError) as error:
            msg = "the sealed value does not open with its account's key"
            raise Unreadable(msg) from error

    def public_url(self, key: str) -> str | None:
        """Return where a stored object can be fetched without us, if it can."""
        return self._storage.public_url(key)

    async def unseal_text(self, account: AccountId, sealed: Sealed | None) -> str:
        """Return the text, or an empty one when there is none or it can no longer be read."""
        if sealed is None:
            return ""
        try:
            return (await self.unseal(account, sealed)).decode()
        except Unreadable:
            return ""

    async def _key(self, account: AccountId) -> AESGCM:
        found = self._cache.get(account)
        if found is not None:
            return found
        wrapped = await self._keys.get(account)
        if wrapped is None:
            fresh = _encrypt(self._master, AESGCM.generate_key(256), account.encode())
            wrapped = await self._keys.create(account, fresh)
            await self._storage.put(f"keys/{account}", wrapped)
        try:
            key = AESGCM(_decrypt(self._master, wrapped, account.encode()))
        except InvalidTag as error:
            msg = "the account's key does not open with this master key"
            raise Unreadable(msg) from error
        if len(self._cache) >= KEYS_CACHED_MAX:
            self._cache.clear()
        self._cache[account] = key
        return key


def derive(master_key: bytes, purpose: str) -> bytes:
    """Return 32 bytes for one purpose, so that no key serves two."""
    return HKDF(hashes.SHA256(), 32, None, f"darkroom {purpose}".encode()).derive(master_key)


def _encrypt(key: AESGCM, plaintext: bytes, about: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + key.encrypt(nonce, plaintext, about)


def _decrypt(key: AESGCM, box: bytes, about: bytes) -> bytes:
    return key.decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], about)
