"""The journal of requests: a restart reads them again, and their lines are sealed, prompts and all.
The key is derived from the one that signs webhooks, which only the files' owner can read.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from adapters.sealed_box import SealedBox

BYTES_MAX = 16 * 1024 * 1024  # A larger journal is rewritten without its old entries.


class Journal:
    def __init__(self, path: Path, key: Ed25519PrivateKey) -> None:
        self._path = path
        derived = HKDF(hashes.SHA256(), 32, None, b"journal").derive(key.private_bytes_raw())
        self._box = SealedBox(derived)
        self._file = path.open("ab")
        self._bytes_kept = 0

    @property
    def is_full(self) -> bool:
        """Whether to rewrite it: it is large, and has doubled since it was last rewritten."""
        return self._file.tell() > max(BYTES_MAX, 2 * self._bytes_kept)

    def write(self, entry: bytes) -> None:
        self._file.write(self._sealed(entry))
        self._file.flush()

    def read(self) -> Iterator[bytes]:
        """Yield the entries, except a last one that was cut short when its process was killed."""
        for line in self._path.read_bytes().splitlines():
            with suppress(ValueError):
                if (entry := self._box.open(b64decode(line, validate=True), "")) is not None:
                    yield entry

    def replace(self, entries: list[bytes]) -> None:
        """Keep only these entries."""
        self._file.close()
        fresh = self._path.with_suffix(".fresh")
        fresh.write_bytes(b"".join(self._sealed(entry) for entry in entries))
        fresh.replace(self._path)
        self._file = self._path.open("ab")
        self._bytes_kept = self._file.tell()

    def close(self) -> None:
        self._file.close()

    def _sealed(self, entry: bytes) -> bytes:
        return b64encode(self._box.seal(entry, "")) + b"\n"
